"""Points that hang in the air between the two sides of a depth edge."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = np.ones((3, 3), np.uint8)


def flying_pixels(depth: NDArray[np.float32], ratio: float) -> NDArray[np.bool_]:
    """Pixels that lie clearly behind one neighbour and clearly before another.

    A pixel of either side of an edge has the gap on one side only; one that a network or an
    interpolation put between the sides has it on both.

    Args:
        depth: float32 [H, W] metres, NaN = unknown.
        ratio: what is clear: one of the eight neighbours is at least so much nearer and one so much
            farther, as a share of depth.

    Returns:
        bool [H, W], False where depth is unknown.
    """
    known = np.isfinite(depth)
    nearest = cv2.erode(np.where(known, depth, np.float32(np.inf)), _NEIGHBOURS)
    farthest = cv2.dilate(np.where(known, depth, np.float32(0)), _NEIGHBOURS)
    gap = np.float32(1 + ratio)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(known & (depth > nearest * gap) & (farthest > depth * gap))
