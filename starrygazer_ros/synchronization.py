"""Pairs of image and sparse depth by their stamps.

The matching rule is that of ``message_filters.ApproximateTimeSynchronizer``, which is used where
it is installed; PyPI has no ``message_filters``, so the same rule is here a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rclpy.duration import Duration
from sensor_msgs.msg import Image

from starrygazer_ros.messages import MessageError

try:
    import message_filters
except ImportError:
    message_filters = None

IMAGE, SPARSE_DEPTH = 0, 1
NANOSECONDS = 10**9
# DDS keeps the order of one publisher, so only a publisher with several threads lets messages
# overtake each other, by a few frames. A stamp further back is a restarted or looping bag.
LARGEST_REORDERING = NANOSECONDS // 5
SMALLEST_SLOP = 1e-9

OnPair = Callable[[Image, Image], None]


class NegativeStampError(MessageError):
    """The stamp lies before 1970, which ``message_filters`` cannot hold."""

    cause = "negative_stamp"


class Matcher(Protocol):
    """Two queues and the rule that takes pairs out of them."""

    def add(self, queue: int, message: Image) -> None:
        """Put a message into a queue; hands over the pair that it completes, if any."""

    def waiting(self, queue: int) -> int:
        """Messages in a queue."""

    def unmatched(self, queue: int) -> int:
        """Messages that left a queue without a partner."""

    def clear(self, queue: int) -> None:
        """Empty a queue."""

    def change(self, slop: float, queue_size: int) -> None:
        """Match so from the next message on; what waits goes on waiting."""


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
        self._unmatched = [0, 0]

    def add(self, queue: int, message: Image) -> None:
        """See :class:`Matcher`."""
        own, other = self._queues[queue], self._queues[1 - queue]
        stamp = stamp_of(message)
        self._unmatched[queue] += stamp in own  # of two with one stamp the newer stays
        own[stamp] = message
        while len(own) > self._queue_size:
            del own[min(own)]
            self._unmatched[queue] += 1
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

    def unmatched(self, queue: int) -> int:
        """See :class:`Matcher`."""
        return self._unmatched[queue]

    def clear(self, queue: int) -> None:
        """See :class:`Matcher`."""
        self._unmatched[queue] += len(self._queues[queue])
        self._queues[queue].clear()

    def change(self, slop: float, queue_size: int) -> None:
        """See :class:`Matcher`."""
        self._slop = int(slop * NANOSECONDS)
        self._queue_size = queue_size


class MessageFiltersMatcher:
    """``message_filters.ApproximateTimeSynchronizer``; same arguments as the private one."""

    def __init__(self, on_pair: OnPair, slop: float, queue_size: int) -> None:
        self._filters = (message_filters.SimpleFilter(), message_filters.SimpleFilter())
        self._synchronizer = message_filters.ApproximateTimeSynchronizer(
            list(self._filters), queue_size=queue_size, slop=slop
        )
        self._synchronizer.registerCallback(self._count_pair)
        self._on_pair = on_pair
        self._added = [0, 0]
        self._matched = 0

    def add(self, queue: int, message: Image) -> None:
        """See :class:`Matcher`."""
        self._added[queue] += 1
        self._filters[queue].signalMessage(message)

    def waiting(self, queue: int) -> int:
        """See :class:`Matcher`."""
        return len(self._synchronizer.queues[queue])

    def unmatched(self, queue: int) -> int:
        """See :class:`Matcher`; the rest, because ``message_filters`` drops without a word."""
        return self._added[queue] - self._matched - self.waiting(queue)

    def clear(self, queue: int) -> None:
        """See :class:`Matcher`."""
        self._synchronizer.queues[queue].clear()

    def change(self, slop: float, queue_size: int) -> None:
        """See :class:`Matcher`; ``message_filters`` reads both with each message."""
        self._synchronizer.slop = Duration(seconds=slop)
        self._synchronizer.queue_size = queue_size

    def _count_pair(self, image: Image, sparse_depth: Image) -> None:
        self._matched += 1
        self._on_pair(image, sparse_depth)


class PairSynchronizer:
    """Image and sparse depth in, pairs out, everything counted.

    For each topic ``received = matched + unmatched + waiting + refused``.

    Not thread-safe: call it from the executor's thread only.

    Args:
        on_pair: called with image and sparse depth; must not raise, because
            ``ApproximateTimeSynchronizer`` holds its lock meanwhile.
        slop: seconds, the stamps of a pair differ by less; 0 = by nothing.
        queue_size: messages per topic that wait for their partner.
        matcher: the rule; ``message_filters`` where it is installed.

    Attributes:
        received: messages per topic, indexed by ``IMAGE`` and ``SPARSE_DEPTH``.
        refused: messages per topic whose stamp cannot be used.
        matched: pairs handed over.
        time_jumps: how often time went back, which drops what waits from before.
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
        self.refused = [0, 0]
        self.matched = 0
        self.time_jumps = 0

    def add_image(self, message: Image) -> None:
        """A camera image arrived.

        Raises:
            NegativeStampError: it is refused.
        """
        self._add(IMAGE, message)

    def add_sparse_depth(self, message: Image) -> None:
        """A sparse depth image arrived.

        Raises:
            NegativeStampError: it is refused.
        """
        self._add(SPARSE_DEPTH, message)

    def waiting(self, topic: int) -> int:
        """Messages of a topic that wait for their partner."""
        return self._matcher.waiting(topic)

    def unmatched(self, topic: int) -> int:
        """Messages of a topic that left without a partner."""
        return self._matcher.unmatched(topic)

    def change(self, slop: float, queue_size: int) -> None:
        """Match by another slop [s] and queue size from the next message on, without a loss.

        What waits goes on waiting; a shorter queue drops its oldest with the next message.
        """
        self._matcher.change(max(slop, SMALLEST_SLOP), queue_size)

    def clear(self) -> None:
        """Drop what waits, as unmatched, and forget the time."""
        for topic in (IMAGE, SPARSE_DEPTH):
            self._matcher.clear(topic)
        self._newest = [None, None]

    def _add(self, topic: int, message: Image) -> None:
        self.received[topic] += 1
        if message.header.stamp.sec < 0:
            self.refused[topic] += 1
            name = "image" if topic == IMAGE else "sparse depth"
            raise NegativeStampError(
                f"{name} has a stamp of {message.header.stamp.sec} s: set header.stamp in the "
                "publisher from the node's clock"
            )
        self._watch_time(topic, stamp_of(message))
        self._matcher.add(topic, message)

    def _watch_time(self, topic: int, stamp: int) -> None:
        """Without this a restarted bag would lose every message to the larger stamps before it."""
        newest = self._newest[topic]
        if newest is not None and stamp < newest - LARGEST_REORDERING:
            self.time_jumps += 1
            self._drop_beyond(stamp + LARGEST_REORDERING)
            newest = None
        self._newest[topic] = stamp if newest is None else max(stamp, newest)

    def _drop_beyond(self, stamp: int) -> None:
        """Drop what waits from before a jump; the other topic may have jumped already."""
        for topic, newest in enumerate(self._newest):
            if newest is not None and newest > stamp:
                self._matcher.clear(topic)
                self._newest[topic] = None

    def _count_pair(self, image: Image, sparse_depth: Image) -> None:
        self.matched += 1
        self._on_pair(image, sparse_depth)


def stamp_of(message: Any) -> int:
    """Stamp of a message in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)
