"""Depth completion without learning, or with a single global fit: what the network must beat.

All maps are float32 [H, W]: metres, 0 = none; the results are dense.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
from scipy.spatial import Delaunay, QhullError

_DIAMOND = np.array(
    [
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
    ],
    np.uint8,
)


def barycentric(sparse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear interpolation over the Delaunay triangles of the sparse points.

    Outside their convex hull the nearest point counts.

    Raises:
        ValueError: no sparse points.
    """
    return _interpolate(sparse_depth, sparse_depth[sparse_depth > 0])


def affine_fit(
    relative_depth: NDArray[np.float32], sparse_depth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """One scale and one shift for the whole image: ``1 / depth = scale * relative + shift``.

    Least squares at the sparse points. The result is limited to half the nearest and twice the
    farthest sparse depth, because the inverse explodes where the fitted line crosses zero.

    Args:
        relative_depth: relative inverse depth, larger = nearer.
        sparse_depth: metres, 0 = none.

    Raises:
        ValueError: no sparse points.
    """
    valid = sparse_depth > 0
    depth = sparse_depth[valid].astype(np.float64)
    if depth.size == 0:
        raise ValueError("affine_fit needs at least one sparse point")
    design = np.stack([relative_depth[valid], np.ones_like(depth)], axis=1)
    (scale, shift), *_ = np.linalg.lstsq(design, 1.0 / depth, rcond=None)
    nearest, farthest = depth.min() / 2, depth.max() * 2
    inverse = np.clip(scale * relative_depth + shift, 1 / farthest, 1 / nearest)
    return (1.0 / inverse).astype(np.float32)


def affine_barycentric_residual(
    relative_depth: NDArray[np.float32], sparse_depth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """:func:`affine_fit`, then its error in log depth interpolated between the sparse points."""
    fitted = affine_fit(relative_depth, sparse_depth)
    valid = sparse_depth > 0
    residual = np.log(sparse_depth[valid]) - np.log(fitted[valid])
    return fitted * np.exp(_interpolate(sparse_depth, residual))


def ip_basic(sparse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """IP-Basic: morphology on inverted depth, with the Gaussian blur.

    Ku, Harakeh, Waslander: "In Defense of Classical Image Processing: Fast Depth Completion on
    the CPU", CRV 2018.

    Depth is inverted so that dilation prefers near values. Unlike the paper, which was made for
    64 lines, the last fill repeats until no hole is left.

    Raises:
        ValueError: no sparse points.
    """
    valid = sparse_depth > 0
    if not valid.any():
        raise ValueError("ip_basic needs at least one sparse point")
    # Any offset above the largest depth inverts; the margin keeps far values apart from "empty".
    offset = np.float32(sparse_depth.max() * 1.25)
    inverted = np.where(valid, offset - sparse_depth, np.float32(0))

    inverted = cv2.dilate(inverted, _DIAMOND)
    inverted = cv2.morphologyEx(inverted, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    inverted = _fill(inverted, 7)
    inverted = _extend_to_top(inverted)
    while (inverted == 0).any():
        inverted = _fill(inverted, 31)
    inverted = cv2.medianBlur(inverted, 5)
    inverted = cv2.GaussianBlur(inverted, (5, 5), 0)
    return offset - inverted


def _fill(inverted: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Give empty pixels the nearest depth (largest inverted) of their surroundings."""
    return np.where(
        inverted > 0, inverted, cv2.dilate(inverted, np.ones((size, size), np.uint8))
    ).astype(np.float32)


def _extend_to_top(inverted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Copy each column's topmost value to all rows above it."""
    valid = inverted > 0
    top = np.argmax(valid, axis=0)  # 0 for an empty column, which then copies its own 0
    above = np.arange(inverted.shape[0])[:, None] < top[None, :]
    return np.where(above, inverted[top, np.arange(inverted.shape[1])], inverted)


def _interpolate(
    sparse_depth: NDArray[np.float32], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Spread values that belong to the valid pixels of ``sparse_depth`` over the image."""
    points = np.argwhere(sparse_depth > 0)
    if len(points) == 0:
        raise ValueError("interpolation needs at least one sparse point")
    grid = np.indices(sparse_depth.shape).reshape(2, -1).T
    try:
        dense = LinearNDInterpolator(Delaunay(points), values)(grid)
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        dense = np.full(len(grid), np.nan)
    outside = np.isnan(dense)
    if outside.any():
        dense[outside] = NearestNDInterpolator(points, values)(grid[outside])
    return dense.reshape(sparse_depth.shape).astype(np.float32)
