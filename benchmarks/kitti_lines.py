"""Which of KITTI's 64 scan lines a projected LiDAR point came from.

The HDL-64E's upper and lower 32 lasers sit at different heights, so a line has a constant
elevation only as seen from its own block. From there the lines separate without overlap: heights
and elevations below were measured on the 16 scenes of ``kitti_object_frames`` (histogram of all
points; between the peaks it falls to zero). Only 46 lines reach the camera's field of view.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_UPPER_BLOCK_HEIGHT = 0.20  # metres above the LiDAR frame's origin
_LOWER_BLOCK_HEIGHT = 0.115
_UPPER_BLOCK_ENDS = -8.77  # degrees, seen from the upper block
_UPPER_ELEVATIONS = (
    2.04, 1.67, 1.40, 0.97, 0.67, 0.28, 0.00, -0.36, -0.71, -1.11, -1.40, -1.74, -2.12, -2.46,
    -2.79, -3.15, -3.45, -3.85, -4.13, -4.51, -4.83, -5.17, -5.53, -5.88, -6.26, -6.60, -6.93,
    -7.22, -7.61, -7.99, -8.25, -8.65,
)  # fmt: skip
_LOWER_ELEVATIONS = (
    -8.89, -9.44, -9.93, -10.34, -10.82, -11.47, -11.98, -12.43, -12.91, -13.36, -13.92, -14.47,
    -15.06, -15.53, -16.03,
)  # fmt: skip


def line_indices(
    lidar_depth: NDArray[np.float32],
    projection: NDArray[np.float64],
    rect_from_lidar: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Scan line of each pixel, 0 = topmost.

    Args:
        lidar_depth: float32 [H, W] metres, 0 = none.
        projection: [3, 4] KITTI's ``P2``.
        rect_from_lidar: [4, 4] KITTI's ``R0_rect @ Tr_velo_to_cam``; LiDAR frame x forward, z up.

    Returns:
        int64 [H, W], -1 where there is no depth.
    """
    v, u = np.nonzero(lidar_depth > 0)
    depth = lidar_depth[v, u].astype(np.float64)
    # Inverse of depth * [u, v, 1] = P2 @ [x, y, z, 1].
    image_points = depth * np.stack([u, v, np.ones_like(u)]) - projection[:, 3:]
    camera_points = np.linalg.solve(projection[:, :3], image_points)
    lidar_points = np.linalg.solve(rect_from_lidar, np.vstack([camera_points, np.ones_like(depth)]))
    x, y, z, _ = lidar_points
    distance = np.hypot(x, y)
    seen_from_upper = np.rad2deg(np.arctan2(z - _UPPER_BLOCK_HEIGHT, distance))
    seen_from_lower = np.rad2deg(np.arctan2(z - _LOWER_BLOCK_HEIGHT, distance))
    line = np.where(
        seen_from_upper > _UPPER_BLOCK_ENDS,
        _nearest(seen_from_upper, _UPPER_ELEVATIONS),
        len(_UPPER_ELEVATIONS) + _nearest(seen_from_lower, _LOWER_ELEVATIONS),
    )
    lines = np.full(lidar_depth.shape, -1, np.int64)
    lines[v, u] = line
    return lines


def hold_out_lines(
    lidar_depth: NDArray[np.float32], lines: NDArray[np.int64], keep_every: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split by whole scan lines: every ``keep_every``-th line, and all the others."""
    kept = (lines >= 0) & (lines % keep_every == keep_every // 2)
    held_out = (lines >= 0) & ~kept
    zero = np.float32(0)
    return np.where(kept, lidar_depth, zero), np.where(held_out, lidar_depth, zero)


def _nearest(values: NDArray[np.float64], table: tuple[float, ...]) -> NDArray[np.int64]:
    return np.abs(values[:, None] - np.asarray(table)[None, :]).argmin(axis=1)
