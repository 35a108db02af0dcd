"""Why images found no sparse depth, in numbers."""

from __future__ import annotations

from array import array
from collections import Counter
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.headers import NANOSECONDS, stamp_of
from starrygazer_ros.matching import (
    APPROXIMATE,
    EXACT,
    IMAGE,
    LATEST,
    SPARSE_DEPTH,
    Rule,
)

OTHER_CLOCK = NANOSECONDS  # no LiDAR is so slow


class Partners:
    """Stamps of all images and sparse depths, and of those that are in pairs.

    Args:
        rule: what a pair is.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._stamps = array("q"), array("q")  # by queue, nanoseconds
        self._paired = array("q"), array("q")

    def add(self, queue: int, message: Any) -> None:
        """Take a message that waits for its partner from now on."""
        self._stamps[queue].append(stamp_of(message))

    def pair(self, image: Any, sparse_depth: Any) -> None:
        """Two messages are a pair."""
        self._paired[IMAGE].append(stamp_of(image))
        self._paired[SPARSE_DEPTH].append(stamp_of(sparse_depth))

    def why_without(self) -> str:
        """How far the sparse depths are from the images without one, and what would help.

        Empty if all have one.
        """
        alone = Counter(self._stamps[IMAGE]) - Counter(self._paired[IMAGE])
        stamps = np.unique(np.array(self._stamps[SPARSE_DEPTH], np.int64))
        if not alone:
            return ""
        if not len(stamps):
            return "no sparse depth could be read"
        images = np.array(sorted(alone.elements()), np.int64)
        nearest = _nearest(stamps, images)
        apart = np.abs(nearest - images)
        said = f"the nearest sparse depth is {_seconds(apart.min())} s away"
        if apart.min() != apart.max():
            said += f" or more, of half of them more than {_seconds(median(apart))} s"
        within = nearest[apart <= self._allowed()]
        if not len(within):
            return f"{said}, {self._hint(int(apart.min()))}"
        taken = bool(np.isin(within, np.array(self._paired[SPARSE_DEPTH])).all())
        share = f"{len(within)} of {len(images)} have one within {self._name()}"
        return f"{said}, {share}, {self._hint_within(taken)}"

    def _allowed(self) -> int:
        """The largest difference of stamps in a pair, in nanoseconds."""
        rule = self._rule
        if rule.policy == LATEST:
            return round(rule.max_age * NANOSECONDS)
        return max(int(rule.slop * NANOSECONDS) - 1, 0) if rule.policy == APPROXIMATE else 0

    def _name(self) -> str:
        rule = self._rule
        return {
            EXACT: "the same stamp",
            APPROXIMATE: f"sync.slop {rule.slop:g} s",
            LATEST: f"sync.max_age {rule.max_age:g} s",
        }[rule.policy]

    def _hint(self, smallest: int) -> str:
        """What helps if no sparse depth is near enough."""
        if smallest > OTHER_CLOCK:
            return "as if by another clock: compare header.stamp of both topics"
        if self._rule.policy == EXACT:
            return (
                "sync.policy:=exact takes equal stamps only: try sync.policy:=approximate with "
                f"sync.slop above {_seconds(smallest)}"
            )
        if self._rule.policy == LATEST:
            return f"{self._name()} allows less: raise it"
        return f"{self._name()} allows less: raise it, or try sync.policy:=latest"

    def _hint_within(self, taken: bool) -> str:
        """What helps if a sparse depth is near enough."""
        if self._rule.policy == LATEST:
            return (
                "but recorded behind the next image: sync.policy:=approximate waits for the "
                "nearest one"
            )
        if taken:
            return "which other images took: sync.policy:=latest gives several images the same one"
        return "but recorded too far from the image: raise sync.queue_size"


def _nearest(stamps: NDArray[np.int64], images: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of sorted stamps the nearest to each image."""
    after = np.clip(np.searchsorted(stamps, images), 0, len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(stamps[before] - images) < np.abs(stamps[after] - images)
    return np.where(is_before, stamps[before], stamps[after])


def _seconds(nanoseconds: float) -> str:
    seconds = nanoseconds / NANOSECONDS
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"
