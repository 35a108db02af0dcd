"""A LiDAR's scan lines out of a dense depth map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics

LIDAR_STEP_DEGREES = 0.2  # of a 16-line LiDAR at 10 Hz


def scan_lines(
    depth: NDArray[np.float32],
    lines: int,
    intrinsics: Intrinsics,
    step_degrees: float = LIDAR_STEP_DEGREES,
) -> NDArray[np.float32]:
    """Sample along the lines of a LiDAR that stands at the camera, its axis vertical.

    A beam of elevation ``e`` meets the image at ``v = cy + tan(e) * sqrt(f^2 + (u - cx)^2)``
    (f = fx = fy), a curve that bends away from the horizon towards the sides. The lines are
    spread evenly over the rows at the principal point, the points of a line evenly in azimuth.

    Args:
        depth: float32 [H, W] metres, 0 = none.
        lines: number of scan lines in the image.
        intrinsics: of the depth map.
        step_degrees: azimuth between two points of a line.

    Returns:
        float32 [H, W] metres, 0 = none.
    """
    height, width = depth.shape
    half_step = np.deg2rad(step_degrees) / 2
    left = np.arctan(-intrinsics.cx / intrinsics.fx)
    right = np.arctan((width - 1 - intrinsics.cx) / intrinsics.fx)
    azimuth = np.arange(left + half_step, right, 2 * half_step)
    x = np.tan(azimuth)[None, :]  # normalised image plane
    rows = (np.arange(lines) + 0.5) * height / lines - 0.5
    tan_elevation = ((rows - intrinsics.cy) / intrinsics.fy)[:, None]
    u = np.rint(intrinsics.cx + intrinsics.fx * x).astype(int)
    v = np.rint(intrinsics.cy + intrinsics.fy * tan_elevation * np.hypot(1.0, x)).astype(int)
    u = np.broadcast_to(u, v.shape)
    inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
    sparse = np.zeros_like(depth)
    sparse[v[inside], u[inside]] = depth[v[inside], u[inside]]
    return sparse
