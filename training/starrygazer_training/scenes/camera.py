"""Pinhole camera of a scene, and where random ones look.

World frame: metres, z up. Camera frame: REP 103 optical, x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from starrygazer_training.scenes.soup import Array, Rotation, turn

WIDTH, HEIGHT = 384, 288
ROLL = 0.04  # radians, standard deviation of a hand-held camera

# Optical axes as columns in world coordinates when looking along +x: right is -y, down is -z.
LEVEL: Rotation = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Camera:
    """Pinhole without distortion, principal point in the centre.

    The centre of the upper left pixel is (0.5, 0.5), and the principal point (W / 2, H / 2).

    Attributes:
        width: pixels.
        height: pixels.
        focal: pixels.
        rotation: float [3, 3], camera axes as columns in world coordinates.
        position: float [3] metres.
    """

    width: int
    height: int
    focal: float
    rotation: Rotation
    position: NDArray[np.float64]

    def rays(self, supersampling: int) -> Array:
        """Directions with unit depth along the optical axis, float32 [rows * columns, 3]."""
        step = 1.0 / supersampling
        u = np.arange(step / 2, self.width, step) - self.width / 2
        v = np.arange(step / 2, self.height, step) - self.height / 2
        grid = np.empty((len(v), len(u), 3))
        grid[..., 0], grid[..., 1] = u / self.focal, (v / self.focal)[:, None]
        grid[..., 2] = 1.0
        return np.asarray(grid.reshape(-1, 3) @ self.rotation.T, np.float32)


def random_camera(
    rng: np.random.Generator,
    position: ArrayLike,
    yaw: float,
    pitch: float,
    field_of_view: tuple[float, float],
) -> Camera:
    """Camera that looks along +x, turned by yaw and by pitch (positive = down), with some roll.

    Args:
        rng: draws field of view and roll.
        position: [3] metres.
        yaw: radians about z.
        pitch: radians.
        field_of_view: least and largest horizontal angle, degrees.
    """
    focal = WIDTH / 2 / np.tan(np.deg2rad(rng.uniform(*field_of_view)) / 2)
    rotation = turn(yaw) @ turn(pitch, 1) @ turn(rng.normal(0, ROLL), 0) @ LEVEL
    return Camera(WIDTH, HEIGHT, float(focal), rotation, np.asarray(position, float))
