"""Whether the sparse depth lies on the image: where it jumps, the image should have an edge.

A wrong calibration, or a sensor that moved between two stamps, puts all jumps beside their edges
by the same few pixels. One frame has too few of them to tell; the frames of some seconds do
(Levinson & Thrun 2013, "Automatic Online Calibration of Cameras and Lasers").
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

REACH = 12  # pixels, farthest shift that is looked at
FARTHEST = REACH - 1  # that can be told: what is smoothed has one less on each side
SHIFTS = np.arange(-REACH, REACH + 1)
WINDOW = (480, 640)  # rows and columns that are looked at in a frame, elsewhere each time
MOST_OF_FRAME = 500  # jumps
LONGEST_GAP = 12  # pixels between two neighbouring points, or the edge could be anywhere in it
FROM_NEARER = 2  # pixels, see _jumps
FEW = 0.25  # of the points that have a neighbour in their row: no scan lines lie along it
BAND = 9  # rows that are looked at together then
JUMP = 0.3  # log depth between them; ground that is seen flatly has smaller ones
SURROUNDINGS = 41  # pixels on a side, whose mean gradient says what a strong one is
LEAST_GRADIENT = 4.0  # grey levels, below which all is noise
STRONGEST = 4.0  # times the mean; more says no more
SMOOTHING = np.array([0.25, 0.5, 0.25])  # of the strengths, over the shifts
FEWEST, MOST = 150, 1500  # jumps from which a shift is told, and that are remembered
CLEAR = 6.0  # standard errors by which edges at the best shift stand out from the others
ELSEWHERE = 3.0  # standard errors by which they are stronger than where they should be


class Shift(NamedTuple):
    """Where the jumps of the sparse depth lie, beside the image's edges.

    Attributes:
        pixels: to the right or down, by the axis.
        jumps: that say so.
    """

    pixels: int
    jumps: int


class EdgeAlignment:
    """How strong the image's edges are at, and beside, the jumps of the frames so far.

    An edge lies near the nearer one of two neighbouring points, whose surface covers the other.
    """

    def __init__(self) -> None:
        self._along = {axis: _Strengths() for axis in (0, 1)}
        self._random = np.random.default_rng(0)

    def add(self, image: NDArray[np.uint8], sparse_depth: NDArray[np.float32]) -> None:
        """Look at one more frame.

        Args:
            image: uint8 [H, W, 3] RGB.
            sparse_depth: float32 [H, W] metres, 0 or NaN = none.
        """
        corner = [
            int(self._random.integers(max(1, side - most + 1)))
            for side, most in zip(sparse_depth.shape, WINDOW, strict=True)
        ]
        window = tuple(slice(c, c + most) for c, most in zip(corner, WINDOW, strict=True))
        sparse_depth = sparse_depth[window]
        grey = cv2.cvtColor(np.ascontiguousarray(image[window]), cv2.COLOR_RGB2GRAY)
        smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
        for axis, strengths in self._along.items():
            slope = np.abs(cv2.Sobel(smooth, cv2.CV_32F, axis, 1 - axis))
            usual = cv2.blur(slope, (SURROUNDINGS, SURROUNDINGS))
            strength = np.minimum(slope / (usual + LEAST_GRADIENT), STRONGEST)
            if axis == 1:
                strengths.add(strength, sparse_depth)
            else:
                strengths.add(strength.T, sparse_depth.T)

    @property
    def right(self) -> Shift | None:
        """How far the sparse depth is shifted to the right; ``None`` = cannot be told."""
        return self._along[1].shift()

    @property
    def down(self) -> Shift | None:
        """How far the sparse depth is shifted down; ``None`` = cannot be told."""
        return self._along[0].shift()


class _Strengths:
    """Sums over the jumps along the rows, for each shift."""

    def __init__(self) -> None:
        self._jumps = 0.0
        self._sums = np.zeros(len(SHIFTS))
        self._squares = 0.0

    def add(self, strength: NDArray[np.float32], sparse_depth: NDArray[np.float32]) -> None:
        rows, columns = _jumps(sparse_depth)
        chosen = slice(None, None, 1 + len(rows) // MOST_OF_FRAME)
        rows, columns = rows[chosen], columns[chosen]
        shifted = np.clip(columns[:, None] + SHIFTS, 0, strength.shape[1] - 1)
        found = strength[rows[:, None], shifted]
        if self._jumps > MOST:  # older ones count less
            self._jumps /= 2
            self._sums /= 2
            self._squares /= 2
        self._jumps += len(rows)
        self._sums += found.sum(0)
        self._squares += float(np.square(found).mean(1).sum())

    def shift(self) -> Shift | None:
        if self._jumps < FEWEST:
            return None
        means = np.convolve(self._sums / self._jumps, SMOOTHING, "valid")
        variance = max(self._squares / self._jumps - float(means.mean()) ** 2, 0.0)
        error = np.sqrt(variance / self._jumps) + 1e-9
        best, unshifted = int(np.argmax(means)), len(means) // 2
        if means[best] - np.median(means) < CLEAR * error:
            return None
        if means[best] - means[unshifted] < ELSEWHERE * error:
            best = unshifted
        return Shift(unshifted - best, int(self._jumps))  # the edge is where the points are not


def _jumps(sparse_depth: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns where the edge should be between neighbours whose depth jumps.

    That is half of the gap from the nearer point, but no more than ``FROM_NEARER``: what a sensor
    beside the camera does not see behind an edge makes the gap wider, on the side of the farther.
    Neighbours lie in one row, or, where few points have one there, more along the rows than across.
    """
    rows, columns = np.nonzero(sparse_depth > 0)
    neighbours = _neighbours(rows, columns, across=0)
    if np.count_nonzero(neighbours) < FEW * len(rows):
        order = np.lexsort((columns, rows // BAND))
        rows, columns = rows[order], columns[order]
        neighbours = _neighbours(rows, columns, across=BAND - 1)
    log_depth = np.log(sparse_depth[rows, columns])
    steps, gaps = np.diff(log_depth), np.diff(columns)
    jumps = np.flatnonzero(neighbours & (np.abs(steps) > JUMP))
    outward = np.minimum(gaps[jumps] // 2, FROM_NEARER)
    left_is_nearer = steps[jumps] > 0
    edges = np.where(left_is_nearer, columns[jumps] + outward, columns[jumps + 1] - outward)
    return np.where(left_is_nearer, rows[jumps], rows[jumps + 1]), edges


def _neighbours(
    rows: NDArray[np.intp], columns: NDArray[np.intp], across: int
) -> NDArray[np.bool_]:
    """Whether each point and the next one are neighbours, up to ``across`` rows apart."""
    apart, gaps = np.abs(np.diff(rows)), np.diff(columns)
    return (apart <= np.minimum(across, gaps)) & (gaps > 0) & (gaps <= LONGEST_GAP)
