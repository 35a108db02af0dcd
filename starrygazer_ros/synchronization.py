"""Pairs of image and sparse depth by their stamps.

The matching rule is that of ``message_filters.ApproximateTimeSynchronizer``, which is used where
it is installed; PyPI has no ``message_filters``, so the same rule is here a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sensor_msgs.msg import Image

try:
    import message_filters
except ImportError:
    message_filters = None

IMAGE, SPARSE_DEPTH = 0, 1
NANOSECONDS = 10**9
# Messages of one topic may overtake each other a little; a jump further back is a restarted bag.
LARGEST_REORDERING = NANOSECONDS
SMALLEST_SLOP = 1e-9

OnPair = Callable[[Image, Image], None]


class Matcher(Protocol):
    """Two queues and the rule that takes pairs out of them."""

    def add(self, queue: int, message: Image) -> None:
        """Put a message into a queue; hands over the pair that it completes, if any."""

    def waiting(self, queue: int) -> int:
        """Messages in a queue."""

    def clear(self) -> None:
        """Empty both queues."""


class PrivateMatcher:
    """The rule of ``ApproximateTimeSynchronizer`` for two topics.

    A new message goes with the message of the other queue whose stamp is nearest, if the difference
    is strictly below ``slop``; beyond ``queue_size`` the message with the smallest stamp leaves.

    Args:
        on_pair: called with image and sparse depth.
        slop: seconds.
        queue_size: messages per topic.
    """

    def __init__(self, on_pair: OnPair, slop: float, queue_size: int) -> None:
        self._on_pair = on_pair
        self._slop = int(slop * NANOSECONDS)
        self._queue_size = queue_size
        self._queues: tuple[dict[int, Image], dict[int, Image]] = ({}, {})

    def add(self, queue: int, message: Image) -> None:
        """See :class:`Matcher`."""
        own, other = self._queues[queue], self._queues[1 - queue]
        stamp = stamp_of(message)
        own[stamp] = message
        while len(own) > self._queue_size:
            del own[min(own)]
        if stamp not in own or not other:
            return
        nearest = min(other, key=lambda candidate: abs(candidate - stamp))
        if abs(nearest - stamp) >= self._slop:
            return
        pair = own.pop(stamp), other.pop(nearest)
        self._on_pair(pair[queue], pair[1 - queue])

    def waiting(self, queue: int) -> int:
        """See :class:`Matcher`."""
        return len(self._queues[queue])

    def clear(self) -> None:
        """See :class:`Matcher`."""
        for queue in self._queues:
            queue.clear()


class MessageFiltersMatcher:
    """``message_filters.ApproximateTimeSynchronizer``; same arguments as the private one."""

    def __init__(self, on_pair: OnPair, slop: float, queue_size: int) -> None:
        self._filters = (message_filters.SimpleFilter(), message_filters.SimpleFilter())
        self._synchronizer = message_filters.ApproximateTimeSynchronizer(
            list(self._filters), queue_size=queue_size, slop=slop
        )
        self._synchronizer.registerCallback(on_pair)

    def add(self, queue: int, message: Image) -> None:
        """See :class:`Matcher`."""
        self._filters[queue].signalMessage(message)

    def waiting(self, queue: int) -> int:
        """See :class:`Matcher`."""
        return len(self._synchronizer.queues[queue])

    def clear(self) -> None:
        """See :class:`Matcher`."""
        for queue in self._synchronizer.queues:
            queue.clear()


class PairSynchronizer:
    """Image and sparse depth in, pairs out, everything counted.

    Not thread-safe: call it from the executor's thread only.

    Args:
        on_pair: called with image and sparse depth; must not raise, because
            ``ApproximateTimeSynchronizer`` holds its lock meanwhile.
        slop: seconds, the stamps of a pair differ by less; 0 = by nothing.
        queue_size: messages per topic that wait for their partner.
        matcher: the rule; ``message_filters`` where it is installed.

    Attributes:
        received: messages per topic, indexed by ``IMAGE`` and ``SPARSE_DEPTH``.
        matched: pairs handed over.
        time_jumps: how often time went back, which empties the queues.
    """

    def __init__(
        self,
        on_pair: OnPair,
        slop: float,
        queue_size: int,
        matcher: Callable[..., Matcher] | None = None,
    ) -> None:
        if matcher is None:
            matcher = PrivateMatcher if message_filters is None else MessageFiltersMatcher
        self._on_pair = on_pair
        # "Strictly below zero" would never match; below one nanosecond means equal stamps.
        self._matcher = matcher(self._count_pair, max(slop, SMALLEST_SLOP), queue_size)
        self._newest: list[int | None] = [None, None]
        self.received = [0, 0]
        self.matched = 0
        self.time_jumps = 0

    def add_image(self, message: Image) -> None:
        """A camera image arrived."""
        self._add(IMAGE, message)

    def add_sparse_depth(self, message: Image) -> None:
        """A sparse depth image arrived."""
        self._add(SPARSE_DEPTH, message)

    def waiting(self, topic: int) -> int:
        """Messages of a topic that wait for their partner."""
        return self._matcher.waiting(topic)

    def unmatched(self, topic: int) -> int:
        """Messages of a topic that left without a partner."""
        return self.received[topic] - self.matched - self.waiting(topic)

    def _add(self, topic: int, message: Image) -> None:
        self.received[topic] += 1
        self._watch_time(topic, stamp_of(message))
        self._matcher.add(topic, message)

    def _watch_time(self, topic: int, stamp: int) -> None:
        """Without this a restarted bag would lose every message to the larger stamps before it."""
        newest = self._newest[topic]
        if newest is not None and stamp < newest - LARGEST_REORDERING:
            self._matcher.clear()
            self._newest = [None, None]
            self.time_jumps += 1
            newest = None
        self._newest[topic] = stamp if newest is None else max(stamp, newest)

    def _count_pair(self, image: Image, sparse_depth: Image) -> None:
        self.matched += 1
        self._on_pair(image, sparse_depth)


def stamp_of(message: Any) -> int:
    """Stamp of a message in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)
