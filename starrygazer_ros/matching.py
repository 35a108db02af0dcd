"""Rules that say which sparse depth goes with which image.

``exact`` and ``approximate`` are the rules of ``message_filters``, which is used where it is
installed; PyPI has no ``message_filters``, so the same rule is here a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starrygazer_ros.headers import NANOSECONDS, stamp_of

try:
    import message_filters
except ImportError:
    message_filters = None

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

IMAGE, SPARSE_DEPTH = 0, 1
SMALLEST_SLOP = 1e-9
EXACT, APPROXIMATE, LATEST = POLICIES = ("exact", "approximate", "latest")

OnPair = Callable[["Image", "Image"], None]
OnDrop = Callable[[int, str], None]
"""Called with the queue and the cause of each message that leaves without a partner."""

QUEUE_FULL, SAME_STAMP = "queue_full", "same_stamp"
SUPERSEDED, NO_FRESH_SPARSE_DEPTH = "superseded", "no_fresh_sparse_depth"


@dataclass(frozen=True)
class Rule:
    """What a pair is.

    Attributes:
        policy: ``exact``: equal stamps; ``approximate``: the nearest stamp; ``latest``: the newest
            sparse depth, as often as images come.
        slop: for ``approximate``: the stamps differ by less [s]; 0 = by nothing.
        queue_size: messages per topic that wait for their partner; with ``latest`` it is one.
        max_age: for ``latest``: the stamps differ by no more [s].
    """

    policy: str = APPROXIMATE
    slop: float = 0.05
    queue_size: int = 10
    max_age: float = 0.2


class Matcher(Protocol):
    """Takes pairs out of two queues."""

    def add(self, queue: int, message: Image) -> None:
        """Take a message of a queue; hands over the pair that it completes, if any."""

    def waiting(self, queue: int) -> int:
        """Messages of a queue that no pair has yet."""

    def take(self, queue: int) -> list[Image]:
        """Empty a queue; what waited in it, the smallest stamp first."""


class PrivateMatcher:
    """The rule of ``ApproximateTimeSynchronizer`` for two topics.

    A new message goes with the message of the other queue whose stamp is nearest, if the difference
    is strictly below the slop; beyond the queue size the message with the smallest stamp leaves.

    Args:
        rule: with a slop above zero.
        on_pair: called with image and sparse depth.
        on_drop: called for each message that leaves.
    """

    def __init__(self, rule: Rule, on_pair: OnPair, on_drop: OnDrop) -> None:
        self._slop = int(rule.slop * NANOSECONDS)
        self._queue_size = rule.queue_size
        self._on_pair = on_pair
        self._on_drop = on_drop
        self._queues: tuple[dict[int, Image], dict[int, Image]] = ({}, {})

    def add(self, queue: int, message: Image) -> None:
        """See :class:`Matcher`."""
        own, other = self._queues[queue], self._queues[1 - queue]
        stamp = stamp_of(message)
        if stamp in own:  # of two with one stamp the newer stays
            self._on_drop(queue, SAME_STAMP)
        own[stamp] = message
        while len(own) > self._queue_size:
            del own[min(own)]
            self._on_drop(queue, QUEUE_FULL)
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

    def take(self, queue: int) -> list[Image]:
        """See :class:`Matcher`."""
        messages = [self._queues[queue][stamp] for stamp in sorted(self._queues[queue])]
        self._queues[queue].clear()
        return messages


class MessageFiltersMatcher:
    """``message_filters.ApproximateTimeSynchronizer``; same arguments as the private one."""

    def __init__(self, rule: Rule, on_pair: OnPair, on_drop: OnDrop) -> None:
        self._filters = (message_filters.SimpleFilter(), message_filters.SimpleFilter())
        self._synchronizer = message_filters.ApproximateTimeSynchronizer(
            list(self._filters), queue_size=rule.queue_size, slop=rule.slop
        )
        self._synchronizer.registerCallback(self._count_pair)
        self._on_pair = on_pair
        self._on_drop = on_drop
        self._pairs = 0

    def add(self, queue: int, message: Image) -> None:
        """See :class:`Matcher`; ``message_filters`` drops without a word."""
        own = self._synchronizer.queues[queue]
        before, pairs, same_stamp = len(own), self._pairs, stamp_of(message) in own
        self._filters[queue].signalMessage(message)
        left = before + 1 - (self._pairs - pairs) - len(own)
        for _ in range(left):
            self._on_drop(queue, SAME_STAMP if same_stamp else QUEUE_FULL)
            same_stamp = False

    def waiting(self, queue: int) -> int:
        """See :class:`Matcher`."""
        return len(self._synchronizer.queues[queue])

    def take(self, queue: int) -> list[Image]:
        """See :class:`Matcher`."""
        own = self._synchronizer.queues[queue]
        messages = [own[stamp] for stamp in sorted(own)]
        own.clear()
        return messages

    def _count_pair(self, image: Image, sparse_depth: Image) -> None:
        self._pairs += 1
        self._on_pair(image, sparse_depth)


class LatestMatcher:
    """Every image goes at once with the newest sparse depth, which several images may get.

    For a LiDAR that is slower than the camera, where a slightly old depth is better than none. A
    sparse depth may also be newer than the image, by as much; so the newest image without one
    waits for the next.

    Args:
        rule: its ``max_age`` holds.
        on_pair: called with image and sparse depth.
        on_drop: called for each image that gets no fresh sparse depth before the next image, and
            for each sparse depth that a newer one supersedes before any image came.
    """

    def __init__(self, rule: Rule, on_pair: OnPair, on_drop: OnDrop) -> None:
        self._max_age = round(rule.max_age * NANOSECONDS)
        self._on_pair = on_pair
        self._on_drop = on_drop
        self._image: Image | None = None
        self._newest: Image | None = None
        self._used = False

    def change(self, rule: Rule) -> None:
        """Take another ``max_age``; what waits stays, also a newest sparse depth that is used."""
        self._max_age = round(rule.max_age * NANOSECONDS)
        self._pair()

    def add(self, queue: int, message: Image) -> None:
        """See :class:`Matcher`."""
        (self._add_image if queue == IMAGE else self._add_sparse_depth)(message)

    def _add_image(self, message: Image) -> None:
        if self._image is not None:
            self._on_drop(IMAGE, NO_FRESH_SPARSE_DEPTH)
        self._image = message
        self._pair()

    def _add_sparse_depth(self, message: Image) -> None:
        newest = self._newest
        if newest is not None and stamp_of(message) < stamp_of(newest):
            self._on_drop(SPARSE_DEPTH, SUPERSEDED)  # it was overtaken on its way
            return
        if self.waiting(SPARSE_DEPTH):
            self._on_drop(SPARSE_DEPTH, SUPERSEDED)
        self._newest, self._used = message, False
        self._pair()

    def _pair(self) -> None:
        """Hand over the image that waits if the newest sparse depth is near enough."""
        image, newest = self._image, self._newest
        if image is None or newest is None:
            return
        if abs(stamp_of(image) - stamp_of(newest)) <= self._max_age:
            self._image, self._used = None, True
            self._on_pair(image, newest)

    def waiting(self, queue: int) -> int:
        """See :class:`Matcher`."""
        if queue == IMAGE:
            return int(self._image is not None)
        return int(self._newest is not None and not self._used)

    def take(self, queue: int) -> list[Image]:
        """See :class:`Matcher`."""
        if queue == IMAGE:
            taken, self._image = self._image, None
            return [] if taken is None else [taken]
        taken, self._newest = self._newest, None
        return [] if taken is None or self._used else [taken]


def make_matcher(rule: Rule, on_pair: OnPair, on_drop: OnDrop, of_ros: bool = True) -> Matcher:
    """The matcher of a rule, that of ``message_filters`` where it is installed and has one.

    Args:
        rule: what a pair is.
        on_pair: called with image and sparse depth.
        on_drop: called for each message that leaves.
        of_ros: the messages are those of ROS; ``message_filters`` takes no others.
    """
    if rule.policy == LATEST:
        return LatestMatcher(rule, on_pair, on_drop)
    # "Strictly below zero" would never match; below one nanosecond means equal stamps. Not so
    # TimeSynchronizer, which in newer releases also drops all that waited from before a pair.
    slop = max(rule.slop, SMALLEST_SLOP) if rule.policy == APPROXIMATE else SMALLEST_SLOP
    kind = MessageFiltersMatcher if message_filters and of_ros else PrivateMatcher
    return kind(Rule(rule.policy, slop, rule.queue_size), on_pair, on_drop)
