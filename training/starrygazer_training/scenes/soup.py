"""Triangle soups: all geometry of a scene as flat arrays, ready for the ray caster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Rotation = NDArray[np.float64]
Vector = Sequence[float] | NDArray[np.float64]


def turn(angle: float, axis: int = 2) -> Rotation:
    """Right-handed rotation matrix by ``angle`` radians about the x, y or z axis (0, 1, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    a, b = ((1, 2), (2, 0), (0, 1))[axis]
    matrix = np.eye(3)
    matrix[a, a], matrix[a, b], matrix[b, a], matrix[b, b] = c, -s, s, c
    return matrix


@dataclass(frozen=True)
class Soup:
    """Triangles without shared vertices.

    Attributes:
        points: float32 [N, 3, 3] metres.
        normals: float32 [N, 3, 3] unit vectors at the corners.
        uv: float32 [N, 3, 2] texture coordinates, one unit per tile.
        texture: int32 [N] index into the scene's textures.
    """

    points: Array
    normals: Array
    uv: Array
    texture: NDArray[np.int32]

    def shifted(self, offset: Vector) -> Soup:
        """Moved by metres, without turning."""
        points = self.points + np.asarray(offset, np.float32)
        return Soup(points, self.normals, self.uv, self.texture)

    def turned(self, angle: float, axis: int = 2) -> Soup:
        """Rotated about a coordinate axis; see :func:`turn`."""
        return self.rotated(turn(angle, axis))

    def rotated(self, rotation: Rotation) -> Soup:
        """Rotated by a 3x3 matrix."""
        matrix = rotation.astype(np.float32).T
        return Soup(self.points @ matrix, self.normals @ matrix, self.uv, self.texture)

    def scaled(self, factor: float) -> Soup:
        """Larger or smaller about the origin; texture tiles grow with it."""
        return Soup(self.points * np.float32(factor), self.normals, self.uv, self.texture)


def join(soups: Sequence[Soup]) -> Soup:
    """All triangles in one, in order."""
    if not soups:
        nothing = np.zeros((0, 3, 3), np.float32)
        return Soup(nothing, nothing, nothing[..., :2], np.zeros(0, np.int32))
    return Soup(
        np.concatenate([s.points for s in soups]),
        np.concatenate([s.normals for s in soups]),
        np.concatenate([s.uv for s in soups]),
        np.concatenate([s.texture for s in soups]),
    )
