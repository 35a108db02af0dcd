"""A scene of boxes that a LiDAR scans, with the truth of what a camera beside it can see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from starrygazer_ros.completion.geometry import Intrinsics

INTRINSICS = Intrinsics(fx=721.5, fy=721.5, cx=609.5, cy=172.8, width=1242, height=375)
# Two corners each, in metres, in the camera's optical frame: cars and poles before a wall, road.
BOXES = (
    ((-2, -0.3, 8), (0, 1.6, 12)),
    ((1.5, -1.5, 6), (1.6, 1.6, 6.1)),
    ((3, -1, 9), (5, 1.6, 9.5)),
    ((-5, -3, 14), (-4.7, 1.6, 14.3)),
    ((6, -0.5, 12), (9, 1.6, 16)),
    ((-30, -8, 40), (30, 1.7, 41)),
    ((-50, 1.65, -5), (50, 2, 60)),
)


@dataclass(frozen=True)
class Scan:
    """What a LiDAR measures.

    Attributes:
        points: float32 [N, 3], metres, in a frame at the LiDAR with the camera's axes.
        frame_from_lidar: float [4, 4].
        hidden: bool [N], the camera sees something at most 1/1.2 as far instead.
    """

    points: np.ndarray
    frame_from_lidar: np.ndarray
    hidden: np.ndarray


def scan(origin: tuple[float, float, float], lines: int = 64) -> Scan:
    """A scan from a place in the camera's optical frame, 90 degrees ahead."""
    azimuth = np.deg2rad(np.arange(-45, 45, 0.17))
    elevation, azimuth = np.meshgrid(np.deg2rad(np.linspace(-24.9, 2, lines)), azimuth)
    rays = np.stack(
        [
            np.cos(elevation) * np.sin(azimuth),
            -np.sin(elevation),
            np.cos(elevation) * np.cos(azimuth),
        ],
        -1,
    ).reshape(-1, 3)
    place = np.array(origin, float)
    distances = _cast(place, rays)
    returned = np.isfinite(distances)
    from_lidar = rays[returned] * distances[returned, None]
    from_camera = from_lidar + place
    far = np.linalg.norm(from_camera, axis=1)
    in_the_way = _cast(np.zeros(3), from_camera / far[:, None])
    frame_from_lidar = np.eye(4)
    frame_from_lidar[:3, 3] = place
    return Scan(from_lidar.astype(np.float32), frame_from_lidar, in_the_way * 1.2 < far)


def _cast(origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Distances along rays to the nearest box; infinite where there is none."""
    nearest = np.full(len(rays), np.inf)
    for corners in BOXES:
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = ((np.array(corner) - origin) / rays for corner in corners)
        enter = np.minimum(first, second).max(axis=1)
        leave = np.maximum(first, second).min(axis=1)
        hit = (enter <= leave) & (enter > 0) & (enter < nearest)
        nearest[hit] = enter[hit]
    return nearest
