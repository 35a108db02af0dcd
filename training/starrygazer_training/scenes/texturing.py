"""Texture look-up with mip levels, in linear light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_training.scenes.soup import Array, Soup

Image = NDArray[np.uint8]

TEXTURE_SIDE = 256  # texels; all textures of a scene are stacked into one array
MIP_LEVELS = 7
GAMMA = 2.2
STEEPEST = 0.15  # cosine; flatter views of a surface are not blurred further

_LINEAR = ((np.arange(256) / 255.0) ** GAMMA).astype(np.float32)


def linear(codes: Image) -> Array:
    """Linear light in 0..1 from sRGB-like codes of any shape."""
    return np.take(_LINEAR, codes)


class TexturedSoup:
    """Albedo at points on textured triangles.

    Args:
        soup: triangles.
        textures: uint8 [T, 256, 256, 3] RGB, sRGB-coded.
    """

    def __init__(self, soup: Soup, textures: Image) -> None:
        self._uv = by_corner(soup.uv)
        self._texture = soup.texture.astype(np.intp)
        self._tiles_per_metre = _tiles_per_metre(soup)
        self._levels = [textures]  # further ones are made when looked at

    def albedo(
        self, triangle: NDArray[np.int32], weights: Array, pixel: Array, facing: Array
    ) -> Array:
        """Linear albedo of each hit from the mip level that fits the pixel's footprint.

        Args:
            triangle: int32 [N], which was hit.
            weights: float32 [3, N] barycentric.
            pixel: float32 [N] metres that a pixel covers across the ray.
            facing: float32 [N] dot product of normal and ray.

        Returns:
            float32 [N, 3].
        """
        tiles = pixel * self._tiles_per_metre[triangle]
        texels = tiles * TEXTURE_SIDE / np.maximum(np.abs(facing), STEEPEST)
        level = np.clip(np.log2(np.maximum(texels, 1e-6)).round(), 0, MIP_LEVELS - 1).astype(int)
        u, v = _mirrored(interpolated(self._uv, triangle, weights))
        texture = self._texture[triangle]
        albedo = np.empty((len(triangle), 3), np.float32)
        for index in np.flatnonzero(np.bincount(level)):
            side = TEXTURE_SIDE >> int(index)
            chosen = np.flatnonzero(level == index)
            column = np.minimum((u[chosen] * side).astype(int), side - 1)
            row = np.minimum((v[chosen] * side).astype(int), side - 1)
            texel = (texture[chosen] * side + row) * side + column
            albedo[chosen] = linear(self._level(int(index)).reshape(-1, 3)[texel])
        return albedo

    def _level(self, index: int) -> Image:
        while len(self._levels) <= index:
            self._levels.append(_halved(self._levels[-1]))
        return self._levels[index]


def by_corner(values: Array) -> Array:
    """Values [N, 3, C] of triangles' corners as [3, C, N], from which single numbers are taken."""
    return np.ascontiguousarray(values.transpose(1, 2, 0))


def interpolated(corners: Array, triangle: NDArray[np.int32], weights: Array) -> Array:
    """Barycentric mean [C, hits] of values :func:`by_corner`, for triangles [hits]."""
    mean = np.empty((corners.shape[1], len(triangle)), np.float32)
    for out, first, second, third in zip(mean, *corners, strict=True):
        np.multiply(weights[0], first[triangle], out=out)
        out += weights[1] * second[triangle]
        out += weights[2] * third[triangle]
    return mean


def _mirrored(uv: Array) -> Array:
    """Texture coordinates folded into 0..1: mirrored tiling has no seams."""
    there = uv + 1.0
    there -= 2 * np.floor(there / 2)
    return np.asarray(np.abs(there - 1.0))


def _tiles_per_metre(soup: Soup) -> Array:
    """Scale of the texture on each triangle, float32 [N]: the root of the ratio of its areas."""
    uv = soup.uv[:, 1:] - soup.uv[:, :1]
    area_uv = np.abs(uv[:, 0, 0] * uv[:, 1, 1] - uv[:, 0, 1] * uv[:, 1, 0])
    sides = soup.points[:, 1:] - soup.points[:, :1]
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    return np.asarray(np.sqrt(area_uv / np.maximum(area, 1e-12)))


def _halved(textures: Image) -> Image:
    """Mean of 2x2 texels of every texture."""
    count, side = textures.shape[:2]
    tall = textures.reshape(count * side, side, 3)
    half = cv2.resize(tall, (side // 2, count * side // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.uint8).reshape(count, side // 2, side // 2, 3)
