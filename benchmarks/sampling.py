"""Sparse depth as sensors give it, and what can be wrong with it; the seed decides all chance.

Nothing here is shared with the training's patterns and faults, so that the evaluation cannot drift
with them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_NOISE_CUT = 4.0  # standard deviations


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
