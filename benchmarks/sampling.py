"""Sparse depth as sensors give it, sampled from a dense map; always the same for the same input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics

LIDAR_STEP_DEGREES = 0.2  # of a 16-line LiDAR at 10 Hz


def scan_lines(
    depth: NDArray[np.float32],
    lines: int,
    intrinsics: Intrinsics | None = None,
    step_degrees: float = LIDAR_STEP_DEGREES,
) -> NDArray[np.float32]:
    """Sample along the lines of a LiDAR that stands at the camera, its axis vertical.

    A beam of elevation ``e`` meets the image at ``v = cy + tan(e) * sqrt(f^2 + (u - cx)^2)``
    (f = fx = fy), a curve that bends away from the horizon towards the sides. The lines are
    spread evenly over the rows at the principal point, the points of a line evenly in azimuth.

    Args:
        depth: float32 [H, W] metres, 0 = none.
        lines: number of scan lines in the image.
        intrinsics: of the depth map; without them a horizontal field of view of 60 degrees.
        step_degrees: azimuth between two points of a line.

    Returns:
        float32 [H, W] metres, 0 = none.
    """
    height, width = depth.shape
    camera = intrinsics or _assumed_intrinsics(width, height)
    half_step = np.deg2rad(step_degrees) / 2
    left = np.arctan(-camera.cx / camera.fx)
    right = np.arctan((width - 1 - camera.cx) / camera.fx)
    azimuth = np.arange(left + half_step, right, 2 * half_step)
    x = np.tan(azimuth)[None, :]  # normalised image plane
    rows = (np.arange(lines) + 0.5) * height / lines - 0.5
    tan_elevation = ((rows - camera.cy) / camera.fy)[:, None]
    u = np.rint(camera.cx + camera.fx * x).astype(int)
    v = np.rint(camera.cy + camera.fy * tan_elevation * np.hypot(1.0, x)).astype(int)
    u = np.broadcast_to(u, v.shape)
    inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
    sparse = np.zeros_like(depth)
    sparse[v[inside], u[inside]] = depth[v[inside], u[inside]]
    return sparse


def random_points(depth: NDArray[np.float32], n: int, seed: int) -> NDArray[np.float32]:
    """Keep ``n`` valid pixels (all if there are fewer), chosen uniformly.

    Args:
        depth: float32 [H, W] metres, 0 = none.
        n: number of points.
        seed: of the choice.
    """
    valid = np.flatnonzero(depth > 0)
    chosen = np.random.default_rng(seed).choice(valid, min(n, valid.size), replace=False)
    sparse = np.zeros_like(depth)
    sparse.flat[chosen] = depth.flat[chosen]
    return sparse


def _assumed_intrinsics(width: int, height: int) -> Intrinsics:
    focal = width / 2 / np.tan(np.deg2rad(30))
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
