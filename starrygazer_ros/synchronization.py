"""Pairs of image and sparse depth by their stamps, every message accounted for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from starrygazer_ros.headers import NANOSECONDS, stamp_of
from starrygazer_ros.matching import (
    IMAGE,
    LATEST,
    SPARSE_DEPTH,
    LatestMatcher,
    Matcher,
    OnPair,
    Rule,
    make_matcher,
)
from starrygazer_ros.messages import MessageError

if TYPE_CHECKING:
    from sensor_msgs.msg import Image

# DDS keeps the order of one publisher, so only a publisher with several threads lets messages
# overtake each other, by a few frames. A stamp further back is a restarted or looping bag.
LARGEST_REORDERING = NANOSECONDS // 5

TIME_JUMP, DEACTIVATED = "time_jump", "deactivated"


class NegativeStampError(MessageError):
    """The stamp lies before 1970, which ``message_filters`` cannot hold."""

    cause = "negative_stamp"


class PairSynchronizer:
    """Image and sparse depth in, pairs out, everything counted.

    For the image ``received = matched + waiting + dropped``; for the sparse depth, which the rule
    ``latest`` may use for several images, ``received = matched - reused + waiting + dropped``.

    Not thread-safe: call it from the executor's thread only.

    Args:
        on_pair: called with image and sparse depth; must not raise, because
            ``ApproximateTimeSynchronizer`` holds its lock meanwhile.
        rule: what a pair is.
        of_ros: the messages are those of ROS, not of a bag read without it.

    Attributes:
        received: messages per topic, indexed by ``IMAGE`` and ``SPARSE_DEPTH``.
        dropped: messages per topic that came to nothing, by cause.
        matched: pairs handed over.
        reused: those of them whose sparse depth had been in a pair before.
        time_jumps: how often time went back, which drops what waits from before.
    """

    def __init__(self, on_pair: OnPair, rule: Rule, of_ros: bool = True) -> None:
        self._on_pair = on_pair
        self._rule = rule
        self._of_ros = of_ros
        self._matcher = self._make_matcher(rule)
        self._newest: list[int | None] = [None, None]
        self._last_used: Image | None = None
        self.received = [0, 0]
        self.dropped: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.matched = 0
        self.reused = 0
        self.time_jumps = 0

    def add_image(self, message: Image) -> None:
        """A camera image arrived.

        Raises:
            NegativeStampError: it is dropped.
        """
        self._add(IMAGE, message)

    def add_sparse_depth(self, message: Image) -> None:
        """A sparse depth image arrived.

        Raises:
            NegativeStampError: it is dropped.
        """
        self._add(SPARSE_DEPTH, message)

    def waiting(self, topic: int) -> int:
        """Messages of a topic that wait for their partner."""
        return self._matcher.waiting(topic)

    def change(self, rule: Rule) -> None:
        """Match by another rule; what waits is matched by it, or goes on waiting."""
        if rule == self._rule:
            return
        before, self._rule = self._matcher, rule
        if isinstance(before, LatestMatcher) and rule.policy == LATEST:
            before.change(rule)
            return
        self._matcher = self._make_matcher(rule)
        for topic in (SPARSE_DEPTH, IMAGE):  # an image finds the newest depth if that is the rule
            for message in before.take(topic):
                self._matcher.add(topic, message)

    def clear(self) -> None:
        """Drop what waits and forget the time: the node is deactivated."""
        for topic in (IMAGE, SPARSE_DEPTH):
            self._drop_waiting(topic, DEACTIVATED)
        self._newest = [None, None]
        self._last_used = None

    def _make_matcher(self, rule: Rule) -> Matcher:
        return make_matcher(rule, self._count_pair, self._count_drop, self._of_ros)

    def _add(self, topic: int, message: Image) -> None:
        self.received[topic] += 1
        if message.header.stamp.sec < 0:
            self._count_drop(topic, NegativeStampError.cause)
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
                self._drop_waiting(topic, TIME_JUMP)
                self._newest[topic] = None

    def _drop_waiting(self, topic: int, cause: str) -> None:
        for _ in self._matcher.take(topic):
            self._count_drop(topic, cause)

    def _count_drop(self, topic: int, cause: str) -> None:
        self.dropped[topic][cause] += 1

    def _count_pair(self, image: Image, sparse_depth: Image) -> None:
        self.matched += 1
        self.reused += sparse_depth is self._last_used
        self._last_used = sparse_depth
        self._on_pair(image, sparse_depth)
