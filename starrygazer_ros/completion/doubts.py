"""Why a depth that was computed may be wrong: what the inputs and the result show of it.

``benchmarks.degraded`` measures how early each of these doubts comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.completer import CompletionResult
from starrygazer_ros.completion.edge_alignment import FARTHEST, EdgeAlignment
from starrygazer_ros.completion.errors import CompletionError

FAR = 0.1  # of the image's diagonal, from a pixel to the nearest sparse point
FAR_CELL = 8  # pixels, within which that distance is not told apart
FAR_GROWN = 0.1  # of the image, by which more than usual is far from any point
USUAL = 1000  # frames, whose median is the usual
LEAST_USUAL = 100  # frames before anything is called usual
ALIGNMENT_EVERY = 8  # frames; it takes milliseconds, and seconds to tell anything

BRIGHT_SHARE = 0.95  # of the pixels, which are darker than the grey level that says how dark it is
DARK = 40.0  # grey level
WHITE, MOST_WHITE = 250, 0.5  # grey level from which on nothing is seen, and the share of it
BLURRED = 3.2  # see _smoothness
LEAST_ROUGH = 1.0  # squared grey levels; with less there is nothing to be blurred
EVERY_ROW = 4  # of the image is looked at, and every such column


class DoubtError(CompletionError):
    """The depth could be computed and may be wrong; never raised by the completer."""


class ContradictedPointsError(DoubtError):
    """Many sparse points do not go with their surroundings and were overruled."""

    cause: ClassVar[str] = "contradicted_points"


class FarFromPointsError(DoubtError):
    """Much of the image has no sparse point anywhere near."""

    cause: ClassVar[str] = "far_from_points"


class FewerPointsError(DoubtError):
    """There are far fewer sparse points than before."""

    cause: ClassVar[str] = "fewer_points"


class MisalignedError(DoubtError):
    """The sparse depth jumps beside the image's edges."""

    cause: ClassVar[str] = "misaligned"


class DarkImageError(DoubtError):
    """The image is too dark to show much."""

    cause: ClassVar[str] = "dark_image"


class OverexposedImageError(DoubtError):
    """Most of the image is white."""

    cause: ClassVar[str] = "overexposed_image"


class BlurredImageError(DoubtError):
    """The image has no detail that is as small as its pixels."""

    cause: ClassVar[str] = "blurred_image"


@dataclass(frozen=True)
class DoubtLimits:
    """From when on there is a doubt.

    Attributes:
        contradicted: share of the sparse points, 0 = never.
        far: share of the image, 0 = never.
        lost: share of the usual number of sparse points, 0 = never.
        shift: of the sparse depth beside the image's edges, in pixels, 0 = never.
        image: look for dark, overexposed and blurred images.
    """

    contradicted: float = 0.03
    far: float = 0.25
    lost: float = 0.4
    shift: float = 2.5
    image: bool = True


@dataclass
class History:
    """What earlier frames had.

    Attributes:
        points: number of sparse points.
        far: share of the image that is far from any.
        alignment: jumps of the sparse depth and edges of the image.
    """

    points: deque[int] = field(default_factory=lambda: deque(maxlen=USUAL))
    far: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL))
    alignment: EdgeAlignment = field(default_factory=EdgeAlignment)


class Doubts:
    """Looks at one frame after the other, and remembers what is usual.

    Args:
        limits: may be changed between two frames.
        history: of the frames before.
    """

    def __init__(self, limits: DoubtLimits | None = None, history: History | None = None) -> None:
        self.limits = limits or DoubtLimits()
        self._history = history or History()
        self._shape: tuple[int, ...] | None = None
        self._frames = 0  # of that shape

    def find(
        self,
        image: NDArray[np.uint8],
        sparse_depth: NDArray[np.float32],
        result: CompletionResult,
    ) -> tuple[DoubtError, ...]:
        """All doubts about one frame.

        Args:
            image: uint8 [H, W, 3] RGB.
            sparse_depth: float32 [H, W] metres, 0 or NaN = none.
            result: of both.
        """
        if self._shape not in (None, image.shape):  # what was usual is so no more
            self._history, self._frames = History(), 0
        self._shape = image.shape
        known = sparse_depth > 0
        points = int(np.count_nonzero(known))
        if self.limits.shift and self._frames % ALIGNMENT_EVERY == 0:
            self._history.alignment.add(image, sparse_depth)
        self._frames += 1
        found: list[DoubtError] = []
        found += self._of_contradictions(points, result)
        if self.limits.far:
            found += self._of_distances(far_share(known))
        found += self._of_number(points)
        found += self._of_alignment()
        if self.limits.image:
            found += _of_image(image)
        return tuple(found)

    def _of_contradictions(self, points: int, result: CompletionResult) -> Iterator[DoubtError]:
        believed = max(1, points - result.occluded_points)
        share = result.contradicted_points / believed
        if 0 < self.limits.contradicted < share:
            yield ContradictedPointsError(
                f"{result.contradicted_points} of {believed} sparse points ({share:.1%}, limit "
                f"{self.limits.contradicted:.1%}) do not go with what is around them and were "
                "overruled: look for dust, rain, reflections, or a wrong calibration"
            )

    def _of_distances(self, share: float) -> Iterator[DoubtError]:
        usual = self._history.far
        limit = self.limits.far
        if len(usual) >= LEAST_USUAL:
            limit = min(limit, float(np.median(usual)) + FAR_GROWN)
        if share > limit:
            yield FarFromPointsError(
                f"in {share:.0%} of the image (limit {limit:.0%}) the nearest sparse point is more "
                f"than {FAR:.0%} of the image's diagonal away, so that depth is a guess there: see "
                "that nothing covers the sensor, or go by the confidence"
            )
        if share <= limit or limit == self.limits.far:  # a fault never becomes usual
            usual.append(share)

    def _of_number(self, points: int) -> Iterator[DoubtError]:
        known = self._history.points
        usual = float(np.median(known)) if len(known) >= LEAST_USUAL else 0.0
        if self.limits.lost and points < (1 - self.limits.lost) * usual:
            yield FewerPointsError(
                f"{points} sparse points where {usual:.0f} were usual (limit "
                f"{self.limits.lost:.0%} less): something covers the sensor, or a part of what it "
                "sends is lost"
            )
            return  # a fault never becomes usual
        known.append(points)

    def _of_alignment(self) -> Iterator[DoubtError]:
        if self.limits.shift == 0:
            return
        shifts = (
            (self._history.alignment.right, "right", "left"),
            (self._history.alignment.down, "down", "up"),
        )
        for shift, ahead, back in shifts:
            if shift is not None and abs(shift.pixels) > self.limits.shift:
                side = ahead if shift.pixels > 0 else back
                more = " or more" if abs(shift.pixels) == FARTHEST else ""
                yield MisalignedError(
                    f"the sparse depth lies {abs(shift.pixels)}{more} pixels too far {side} (limit "
                    f"{self.limits.shift:g}), by where it jumps ({shift.jumps} times) and the "
                    "image has edges: check extrinsics, camera_info and stamps"
                )


def far_share(known: NDArray[np.bool_]) -> float:
    """Share of the pixels whose nearest known one is more than ``FAR`` diagonals away.

    Args:
        known: bool [H, W].
    """
    if not known.any():
        return 1.0
    height, width = known.shape
    cells = np.logical_or.reduceat(known, np.arange(0, height, FAR_CELL), axis=0)
    cells = np.logical_or.reduceat(cells, np.arange(0, width, FAR_CELL), axis=1)
    distance = FAR_CELL * cv2.distanceTransform((~cells).astype(np.uint8), cv2.DIST_L2, 5)
    return float(np.mean(distance > FAR * np.hypot(height, width)))


def _of_image(image: NDArray[np.uint8]) -> Iterator[DoubtError]:
    rows = np.ascontiguousarray(image[::EVERY_ROW])
    grey = cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    histogram = np.cumsum(np.bincount(grey.ravel(), minlength=256)) / grey.size
    bright = int(np.searchsorted(histogram, BRIGHT_SHARE))
    if bright < DARK:
        yield DarkImageError(
            f"{BRIGHT_SHARE:.0%} of the pixels are darker than {bright + 1} of 255: expose longer, "
            "add light, or see that nothing covers the lens"
        )
    white = float(1 - histogram[WHITE - 1])
    if white > MOST_WHITE:
        yield OverexposedImageError(f"{white:.0%} of the image is white: expose it for less long")
    columns = cv2.cvtColor(np.ascontiguousarray(image[:, ::EVERY_ROW]), cv2.COLOR_RGB2GRAY)
    if max(_smoothness(grey), _smoothness(np.asarray(columns.T, np.uint8))) > BLURRED:
        yield BlurredImageError(
            "the image shows no detail of less than about 8 pixels: focus, clean the lens, or do "
            "not enlarge a smaller image"
        )


def _smoothness(grey: NDArray[np.uint8]) -> float:
    """2 where edges are sharp, 4 where grey levels change evenly over 8 pixels; noise is no matter.

    The mean squared difference between pixels so far apart grows with the distance across a sharp
    edge, with its square in a blurred one, and noise adds the same to each.
    """
    if grey.shape[1] <= 8:
        return 0.0
    values = grey.astype(np.float32)
    two, four, eight = (
        float(np.mean((values[:, step:] - values[:, :-step]) ** 2)) for step in (2, 4, 8)
    )
    return (eight - four) / (four - two) if four - two > LEAST_ROUGH else 0.0
