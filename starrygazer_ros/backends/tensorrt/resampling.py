"""OpenCV's resizing as matrices, so that a GPU does the same with two products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resizing_matrix(
    old: int, new: int, area: bool, padded: int | None = None
) -> NDArray[np.float32]:
    """Weights that resize one side: ``resized = matrix @ values``.

    Args:
        old: number of values.
        new: number of resized values.
        area: means over the area of a new pixel, as ``cv2.INTER_AREA`` does where it shrinks;
            otherwise linear interpolation, as ``cv2.INTER_LINEAR`` does.
        padded: number of rows of the matrix, the last one repeated; ``None`` = ``new``.

    Returns:
        float32 [padded, old].
    """
    matrix = _area(old, new) if area and new < old else _linear(old, new)
    return np.pad(matrix, ((0, (padded or new) - new), (0, 0)), mode="edge")


def _area(old: int, new: int) -> NDArray[np.float32]:
    """Share of each old pixel in each new one."""
    edges = np.arange(new + 1) * (old / new)
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(old)[None]
    overlap = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
    shares = np.clip(overlap, 0, None) / (old / new)
    return np.asarray(shares, np.float32)


def _linear(old: int, new: int) -> NDArray[np.float32]:
    """The two old pixels around the centre of each new one; beyond the borders the last one."""
    centres = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    lower = np.minimum(np.floor(centres).astype(int), old - 1)
    upper = np.minimum(lower + 1, old - 1)
    share = (centres - lower).astype(np.float32)
    matrix = np.zeros((new, old), np.float32)
    rows = np.arange(new)
    np.add.at(matrix, (rows, lower), 1 - share)
    np.add.at(matrix, (rows, upper), share)
    return matrix
