"""Sparse depth as sensors give it, and what can be wrong with it; the seed decides all chance.

Nothing here is shared with the training's patterns and faults, so that the evaluation cannot drift
with them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics

LIDAR_STEP_DEGREES = 0.2  # of a 16-line LiDAR at 10 Hz
_NOISE_CUT = 4.0  # standard deviations


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
    camera = intrinsics or assumed_intrinsics(width, height)
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


def corner_points(
    image: NDArray[np.uint8], depth: NDArray[np.float32], n: int, spacing: int = 5
) -> NDArray[np.float32]:
    """Keep the depth at the image's strongest corners, where visual SLAM finds its landmarks.

    Shi, Tomasi: "Good Features to Track", CVPR 1994.

    Args:
        image: uint8 [H, W, 3] RGB.
        depth: float32 [H, W] metres, 0 = none; corners without depth are left out.
        n: number of points; fewer if the image has fewer corners.
        spacing: smallest distance between two corners, pixels.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    known = (depth > 0).astype(np.uint8)
    corners = cv2.goodFeaturesToTrack(grey, n, qualityLevel=1e-3, minDistance=spacing, mask=known)
    sparse = np.zeros_like(depth)
    if corners is not None:
        u, v = np.rint(corners.reshape(-1, 2)).astype(int).T
        sparse[v, u] = depth[v, u]
    return sparse


def outliers(sparse: NDArray[np.float32], share: float, seed: int) -> NDArray[np.float32]:
    """Give a share of the points a depth that has nothing to do with the scene.

    It is drawn log-uniformly from half the nearest to twice the farthest depth of the map.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        share: of the points, 0 to 1.
        seed: of the choice and of the depths.
    """
    random = np.random.default_rng(seed)
    points = np.flatnonzero(sparse > 0)
    chosen = random.choice(points, round(share * points.size), replace=False)
    known = sparse.flat[points]
    wrong = np.exp(random.uniform(np.log(known.min() / 2), np.log(known.max() * 2), chosen.size))
    faulty = sparse.copy()
    faulty.flat[chosen] = wrong
    return faulty


def misregistered(sparse: NDArray[np.float32], pixels: int, seed: int) -> NDArray[np.float32]:
    """Move all points the same way, as a wrong calibration between LiDAR and camera does.

    Points that leave the image are lost. The depths stay: beside an edge they end up on the other
    side of it.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        pixels: length of the move.
        seed: right, down, left, up for 0, 1, 2, 3 modulo 4.
    """
    down, right = [(0, 1), (1, 0), (0, -1), (-1, 0)][seed % 4]
    height, width = sparse.shape
    v, u = np.nonzero(sparse > 0)
    moved_v, moved_u = v + pixels * down, u + pixels * right
    inside = (moved_v >= 0) & (moved_v < height) & (moved_u >= 0) & (moved_u < width)
    faulty = np.zeros_like(sparse)
    faulty[moved_v[inside], moved_u[inside]] = sparse[v[inside], u[inside]]
    return faulty


def range_noise(sparse: NDArray[np.float32], share: float, seed: int) -> NDArray[np.float32]:
    """Gaussian noise in proportion to the depth.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        share: standard deviation over depth; beyond four of them the noise is cut off.
        seed: of the noise.

    Raises:
        ValueError: ``share`` is so large that a depth could become negative.
    """
    if not 0 <= share < 1 / _NOISE_CUT:
        raise ValueError(f"share must be from 0 to less than {1 / _NOISE_CUT}, got {share}")
    noise = np.random.default_rng(seed).standard_normal(sparse.shape).clip(-_NOISE_CUT, _NOISE_CUT)
    return np.asarray(sparse * (1 + share * noise), np.float32)


def without_sector(sparse: NDArray[np.float32], share: float, seed: int) -> NDArray[np.float32]:
    """Remove all points in a band of columns, as something in front of the sensor does.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        share: width of the band over the image's width, 0 to 1.
        seed: of the band's position.
    """
    width = sparse.shape[1]
    band = round(share * width)
    first = int(np.random.default_rng(seed).integers(0, width - band + 1))
    faulty = sparse.copy()
    faulty[:, first : first + band] = 0
    return faulty


def range_limited(sparse: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Remove the farthest points, as a sensor of short range does.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        share: of the points that are lost, 0 to 1.
    """
    limit = np.quantile(sparse[sparse > 0], 1 - share)
    return np.where(sparse <= limit, sparse, np.float32(0))


def assumed_intrinsics(width: int, height: int) -> Intrinsics:
    """For data sets that do not document them: horizontal field of view of 60 degrees."""
    focal = width / 2 / np.tan(np.deg2rad(30))
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
