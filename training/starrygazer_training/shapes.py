"""Procedural shapes as triangle soups: boxes, lathed and superquadric bodies, sheets, foliage.

Every shape stands on z = 0 around the z axis, in metres, unless it says otherwise. ``tile`` is the
length in metres of one texture tile.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_training.rendering import Soup, join

Points = NDArray[np.floating]
Rng = np.random.Generator


def turn(angle: float, axis: int = 2) -> NDArray[np.float64]:
    """Right-handed rotation matrix by ``angle`` radians about the x, y or z axis (0, 1, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    a, b = ((1, 2), (2, 0), (0, 1))[axis]
    matrix = np.eye(3)
    matrix[a, a], matrix[a, b], matrix[b, a], matrix[b, b] = c, -s, s, c
    return matrix


def sheet(points: Points, texture: int, tile: float = 1.0, smooth: bool = True) -> Soup:
    """Surface over a grid of points [rows, columns, 3]; texture coordinates follow arc length."""
    points = np.asarray(points, np.float32)
    across, down = np.gradient(points, axis=1), np.gradient(points, axis=0)
    normals = np.cross(across, down)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    u = _arc_length(points, 1) / tile
    v = _arc_length(points, 0) / tile
    uv = np.stack([u, v], -1).astype(np.float32)

    def triangles(grid: Points) -> Points:
        a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
        both = np.stack([np.stack([a, b, c], 2), np.stack([a, c, d], 2)], 2)
        return both.reshape(-1, 3, grid.shape[-1])

    corners = triangles(points)
    if smooth:
        corner_normals = triangles(normals)
    else:
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9
        corner_normals = np.repeat(flat[:, None], 3, axis=1)
    return Soup(
        corners.astype(np.float32),
        corner_normals.astype(np.float32),
        triangles(uv).astype(np.float32),
        np.full(len(corners), texture, np.int32),
    )


def _arc_length(points: Points, axis: int) -> Points:
    steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1)
    mean = steps.mean(1 - axis)
    length = np.concatenate([[0.0], np.cumsum(mean)])
    return np.broadcast_to(
        length[None, :] if axis == 1 else length[:, None], points.shape[:2]
    ).astype(np.float32)


def quad(corners: Sequence[Sequence[float]], texture: int, tile: float = 1.0) -> Soup:
    """Flat quadrilateral from four corners in order."""
    a, b, c, d = np.asarray(corners, np.float32)
    return sheet(np.array([[a, b], [d, c]]), texture, tile, smooth=False)


def box(size: Sequence[float], texture: int, tile: float = 1.0) -> Soup:
    """Cuboid of size (x, y, z)."""
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    p = np.array([[i * x, j * y, k * z] for k in (0, 1) for j in (-1, 1) for i in (-1, 1)])
    sides = ((0, 1, 5, 4), (1, 3, 7, 5), (3, 2, 6, 7), (2, 0, 4, 6), (4, 5, 7, 6), (0, 2, 3, 1))
    return join([quad(p[list(side)], texture, tile) for side in sides])


def lathe(profile: Sequence[Sequence[float]], texture: int, tile: float = 1.0) -> Soup:
    """Body of revolution from (radius, height) pairs."""
    radius, height = np.asarray(profile, float).T
    angle = np.linspace(0, 2 * np.pi, 25)
    points = np.stack(
        [
            radius[:, None] * np.cos(angle),
            radius[:, None] * np.sin(angle),
            np.repeat(height[:, None], len(angle), 1),
        ],
        -1,
    )
    return sheet(points, texture, tile)


def cylinder(radius: float, height: float, texture: int, tile: float = 1.0) -> Soup:
    """Closed cylinder."""
    rim = [(1e-3, 0), (radius, 0), (radius, 1e-3), (radius, height - 1e-3), (radius, height)]
    return lathe([*rim, (1e-3, height)], texture, tile)


def rod(start: Sequence[float], end: Sequence[float], radius: float, texture: int) -> Soup:
    """Thin cylinder between two points."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(b - a)) + 1e-9
    z = (b - a) / length
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z], 1)
    return lathe([(radius, 0), (radius, length)], texture, 0.3).moved(rotation, a)


def superquadric(
    size: Sequence[float], roundness: tuple[float, float], texture: int, tile: float = 1.0
) -> Soup:
    """Superellipsoid (Barr 1981): exponents near 0 give a box, 1 an ellipsoid, 2 an octahedron."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 17)[:, None]
    longitude = np.linspace(-np.pi, np.pi, 33)[None]

    def power(value: Points, exponent: float) -> Points:
        return np.sign(value) * np.abs(value) ** exponent

    ring = power(np.cos(latitude), roundness[0])
    x = ring * power(np.cos(longitude), roundness[1]) * size[0] / 2
    y = ring * power(np.sin(longitude), roundness[1]) * size[1] / 2
    z = np.broadcast_to(power(np.sin(latitude), roundness[0]), x.shape) * size[2] / 2 + size[2] / 2
    return sheet(np.stack([x, y, z], -1), texture, tile)


def lump(
    size: Sequence[float], roughness: float, texture: int, rng: Rng, tile: float = 1.0
) -> Soup:
    """Ellipsoid with smooth bumps: stones, bushes, heaps of cloth."""
    bumps = cv2.resize(rng.normal(size=(7, 9)).astype(np.float32), (33, 17), interpolation=2)
    bumps[:, -1] = bumps[:, 0]
    bumps[0], bumps[-1] = bumps[0].mean(), bumps[-1].mean()
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 17)[:, None]
    longitude = np.linspace(-np.pi, np.pi, 33)[None]
    radius = 1 + roughness * bumps
    x = radius * np.cos(latitude) * np.cos(longitude) * size[0] / 2
    y = radius * np.cos(latitude) * np.sin(longitude) * size[1] / 2
    z = (radius * np.sin(latitude) + 1) * size[2] / 2
    return sheet(np.stack([x, y, z], -1), texture, tile)


def foliage(size: Sequence[float], leaf: float, count: int, texture: int, rng: Rng) -> Soup:
    """Small flat leaves at random inside an ellipsoid: gaps and ragged edges."""
    centre = rng.normal(size=(count, 3))
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    centre *= rng.random((count, 1)) ** (1 / 3) * np.asarray(size) / 2
    centre[:, 2] += size[2] / 2
    a, b = rng.normal(size=(2, count, 3)) * leaf / 2
    corners = np.stack([centre - a, centre + b, centre + a, centre - b], 1).astype(np.float32)
    flat = np.cross(a, b)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    square = rng.random((count, 1, 2)) + np.array([[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1]])
    uv = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]])
    normals = np.repeat(np.concatenate([flat, flat])[:, None], 3, axis=1)
    return Soup(
        triangles,
        normals.astype(np.float32),
        uv.astype(np.float32),
        np.full(2 * count, texture, np.int32),
    )


def terrain(size: tuple[float, float], height: float, texture: int, rng: Rng, tile: float) -> Soup:
    """Ground around the origin with smooth undulation of ``height`` metres."""
    rows = columns = 25
    x, y = np.meshgrid(
        np.linspace(-0.5, 0.5, columns) * size[0], np.linspace(-0.5, 0.5, rows) * size[1]
    )
    z = cv2.resize(rng.normal(size=(5, 5)).astype(np.float32), (columns, rows), interpolation=2)
    return sheet(np.stack([x, y, height * z], -1), texture, tile)


def cloth(width: float, height: float, folds: float, texture: int, rng: Rng) -> Soup:
    """Hanging curtain in the x-z plane with sinusoidal folds, ``folds`` metres deep."""
    s = np.linspace(0, 1, 60)
    t = np.linspace(0, 1, 8)[:, None]
    waves = rng.uniform(3, 9)
    depth = (
        folds * np.sin(2 * np.pi * waves * s + 0.6 * np.sin(2 * np.pi * 2.3 * s)) * (0.6 + 0.4 * t)
    )
    x = np.broadcast_to((s - 0.5) * width, depth.shape)
    z = np.broadcast_to(height * (1 - t), depth.shape)
    return sheet(np.stack([x, depth, z], -1), texture, 0.8)
