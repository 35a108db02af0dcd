"""Procedural shapes as triangle soups: boxes, lathed and superquadric bodies, sheets, foliage.

Every shape stands on z = 0 around the z axis, in metres, unless it says otherwise. ``tile`` is the
length in metres of one texture tile.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from starrygazer_training.scenes.soup import Array, Soup, Vector

Points = NDArray[np.floating]
Rng = np.random.Generator

LATHE_SIDES = 24
NOT_ZERO = 1e-3  # metres or radius of a tip: a triangle without area has no normal


def sheet(points: Points, texture: int, tile: float = 1.0) -> Soup:
    """Smooth surface over a grid of points [rows, columns, 3].

    Texture coordinates follow arc length along rows and columns. Where a row is a single point, as
    at the pole of a globe, the normal is zero; what lies around is shaded by its other corners.
    """
    grid = np.asarray(points, np.float32)
    normals = _unit(_cross(_slope(grid, 1), _slope(grid, 0)))
    corners = _grid_triangles(*grid.shape[:2])
    return Soup(
        grid.reshape(-1, 3)[corners],
        normals.reshape(-1, 3)[corners],
        _arc_lengths(grid, tile).reshape(-1, 2)[corners],
        np.full(len(corners), texture, np.int32),
    )


def facets(points: Points, texture: int, tile: float = 1.0) -> Soup:
    """Surface over a grid of points [rows, columns, 3] whose triangles are flat."""
    grid = np.asarray(points, np.float32)
    corners = _grid_triangles(*grid.shape[:2])
    triangles = grid.reshape(-1, 3)[corners]
    uv = _arc_lengths(grid, tile).reshape(-1, 2)[corners]
    return _flat(triangles, uv, texture)


def quads(corners: ArrayLike, texture: int, tile: float = 1.0) -> Soup:
    """Flat quadrilaterals from [N, 4, 3] corners in order; each has its own texture origin.

    The texture runs along the first side, u, and along the last, v.
    """
    points = np.asarray(corners, np.float32)
    sides = np.roll(points, -1, axis=1) - points
    length = np.sqrt((sides * sides).sum(-1))
    uv = np.zeros((len(points), 4, 2), np.float32)
    uv[:, 1:3, 0] = ((length[:, 0] + length[:, 2]) / 2 / tile)[:, None]
    uv[:, 2:4, 1] = ((length[:, 3] + length[:, 1]) / 2 / tile)[:, None]
    halves = [[0, 1, 2], [0, 2, 3]]
    return _flat(points[:, halves].reshape(-1, 3, 3), uv[:, halves].reshape(-1, 3, 2), texture)


def quad(corners: ArrayLike, texture: int, tile: float = 1.0) -> Soup:
    """Flat quadrilateral from [4, 3] corners in order; see :func:`quads`."""
    return quads(np.asarray(corners, np.float32)[None], texture, tile)


# Corner k of a box lies at bit 0 of k in x, bit 1 in y, bit 2 in z.
_BOX_CORNERS = np.array([[i, j, k] for k in (0, 1) for j in (-1, 1) for i in (-1, 1)], float)
_BOX_SIDES = np.array(
    [[0, 1, 5, 4], [1, 3, 7, 5], [3, 2, 6, 7], [2, 0, 4, 6], [4, 5, 7, 6], [0, 2, 3, 1]]
)


def box(size: ArrayLike, texture: int, tile: float = 1.0) -> Soup:
    """Cuboid of size (x, y, z)."""
    corners = _BOX_CORNERS * (np.asarray(size, float) / (2, 2, 1))
    return quads(corners[_BOX_SIDES], texture, tile)


def lathe(profile: ArrayLike, texture: int, tile: float = 1.0) -> Soup:
    """Body of revolution from [N, 2] pairs of radius and height."""
    radius, height = np.asarray(profile, float).T
    angle = np.linspace(0, 2 * np.pi, LATHE_SIDES + 1)
    points = np.empty((len(radius), len(angle), 3))
    points[..., 0] = radius[:, None] * np.cos(angle)
    points[..., 1] = radius[:, None] * np.sin(angle)
    points[..., 2] = height[:, None]
    return sheet(points, texture, tile)


def cylinder(radius: float, height: float, texture: int, tile: float = 1.0) -> Soup:
    """Closed cylinder."""
    profile = [
        (NOT_ZERO, 0),
        (radius, 0),
        (radius, NOT_ZERO),  # a second ring at each rim keeps the caps' shading apart
        (radius, height - NOT_ZERO),
        (radius, height),
        (NOT_ZERO, height),
    ]
    return lathe(profile, texture, tile)


def rod(start: Vector, end: Vector, radius: float, texture: int) -> Soup:
    """Thin open cylinder between two points."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(b - a)) + 1e-9
    z = (b - a) / length
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z], 1)
    return lathe([(radius, 0), (radius, length)], texture, 0.3).rotated(rotation).shifted(a)


def superquadric(
    size: Vector, roundness: tuple[float, float], texture: int, tile: float = 1.0
) -> Soup:
    """Superellipsoid (Barr 1981): exponents near 0 give a box, 1 an ellipsoid, 2 an octahedron."""
    latitude, longitude = _globe()

    def power(value: Points, exponent: float) -> Points:
        return np.sign(value) * np.abs(value) ** exponent

    ring = power(np.cos(latitude), roundness[0])
    x = ring * power(np.cos(longitude), roundness[1]) * size[0] / 2
    y = ring * power(np.sin(longitude), roundness[1]) * size[1] / 2
    z = np.broadcast_to(power(np.sin(latitude), roundness[0]), x.shape) * size[2] / 2 + size[2] / 2
    return sheet(np.stack([x, y, z], -1), texture, tile)


def lump(size: Vector, roughness: float, texture: int, rng: Rng, tile: float = 1.0) -> Soup:
    """Ellipsoid with smooth bumps: stones, bushes, heaps of cloth.

    Bumps may reach a little below z = 0 and beyond ``size``.
    """
    latitude, longitude = _globe()
    rows, columns = latitude.size, longitude.size
    bumps = _smooth_noise((7, 9), (rows, columns), rng)
    bumps[:, -1] = bumps[:, 0]
    bumps[0], bumps[-1] = bumps[0].mean(), bumps[-1].mean()
    radius = 1 + roughness * bumps
    x = radius * np.cos(latitude) * np.cos(longitude) * size[0] / 2
    y = radius * np.cos(latitude) * np.sin(longitude) * size[1] / 2
    z = (radius * np.sin(latitude) + 1) * size[2] / 2
    return sheet(np.stack([x, y, z], -1), texture, tile)


def foliage(size: Vector, leaf: float, count: int, texture: int, rng: Rng) -> Soup:
    """Small flat leaves at random inside an ellipsoid: gaps and ragged edges."""
    centre = rng.normal(size=(count, 3))
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    centre *= rng.random((count, 1)) ** (1 / 3) * np.asarray(size) / 2
    centre[:, 2] += size[2] / 2
    a, b = np.clip(rng.normal(size=(2, count, 3)), -1.5, 1.5) * leaf / 2  # no giant leaves
    corners = np.stack([centre - a, centre + b, centre + a, centre - b], 1).astype(np.float32)
    flat = np.cross(a, b)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9
    square = rng.random((count, 1, 2)) + np.array([[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1]])
    return Soup(
        np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]]),
        np.repeat(np.concatenate([flat, flat])[:, None], 3, axis=1).astype(np.float32),
        np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]]).astype(np.float32),
        np.full(2 * count, texture, np.int32),
    )


def terrain(size: tuple[float, float], height: float, texture: int, rng: Rng, tile: float) -> Soup:
    """Ground around the origin with smooth undulation of about ``height`` metres, up and down."""
    side = 25
    x, y = np.meshgrid(
        np.linspace(-0.5, 0.5, side) * size[0], np.linspace(-0.5, 0.5, side) * size[1]
    )
    z = height * _smooth_noise((5, 5), (side, side), rng)
    return sheet(np.stack([x, y, z], -1), texture, tile)


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


def _globe() -> tuple[Points, Points]:
    """Latitudes [17, 1] from pole to pole and longitudes [1, 33] around, radians."""
    return np.linspace(-np.pi / 2, np.pi / 2, 17)[:, None], np.linspace(-np.pi, np.pi, 33)[None]


def _smooth_noise(cells: tuple[int, int], shape: tuple[int, int], rng: Rng) -> Array:
    """Standard normal values on a coarse grid, interpolated to ``shape`` (rows, columns)."""
    noise = rng.normal(size=cells).astype(np.float32)
    return np.asarray(cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


@lru_cache
def _grid_triangles(rows: int, columns: int) -> NDArray[np.intp]:
    """Indices [2 (rows - 1) (columns - 1), 3] of the triangles over a grid's points."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    return np.stack([a, b, c, a, c, d], -1).reshape(-1, 3)


def _flat(triangles: Array, uv: Array, texture: int) -> Soup:
    """Triangles [N, 3, 3] that are shaded flat."""
    first = triangles[:, :1]
    sides = triangles[:, 1:] - first
    normals = _unit(_cross(sides[:, 0], sides[:, 1]))
    return Soup(
        triangles, np.repeat(normals[:, None], 3, axis=1), uv, np.full(len(uv), texture, np.int32)
    )


def _slope(grid: Array, axis: int) -> Array:
    """Central differences along the first or second axis, one-sided at the ends."""
    along = grid.swapaxes(0, axis)
    slope = np.empty_like(grid)
    out = slope.swapaxes(0, axis)
    out[0], out[-1] = along[1] - along[0], along[-1] - along[-2]
    out[1:-1] = (along[2:] - along[:-2]) / 2
    return slope


def _arc_lengths(grid: Array, tile: float) -> Array:
    """Texture coordinates [rows, columns, 2]: mean arc length along rows and columns, in tiles."""
    uv = np.empty((*grid.shape[:2], 2), np.float32)
    uv[..., 0] = _arc_length(grid, 1) / tile
    uv[..., 1] = (_arc_length(grid, 0) / tile)[:, None]
    return uv


def _arc_length(grid: Array, axis: int) -> Array:
    steps = np.diff(grid, axis=axis)
    mean = np.sqrt((steps * steps).sum(-1)).mean(1 - axis)
    length = np.zeros(len(mean) + 1, np.float32)
    np.cumsum(mean, out=length[1:])
    return length


def _cross(a: Array, b: Array) -> Array:
    """Cross product over the last axis; np.cross takes ten times as long on few vectors."""
    product = np.empty_like(a)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        product[..., i] = a[..., j] * b[..., k] - a[..., k] * b[..., j]
    return product


def _unit(vectors: Array) -> Array:
    """Vectors scaled to length 1; those without length stay as they are."""
    length = np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return np.asarray(vectors / (length + np.float32(1e-9)))
