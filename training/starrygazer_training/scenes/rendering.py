"""Ray casting of textured triangles: image and exact depth of a scene.

Embree finds the hits; textures, Lambert shading, shadows and the camera's response are NumPy. The
aim is not beauty but an image whose edges lie exactly where depth steps, among many that do not.
World frame: metres, z up. Camera frame: REP 103 optical, x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]
from numpy.typing import NDArray

from starrygazer_training.scenes.camera import Camera
from starrygazer_training.scenes.soup import Array, Soup
from starrygazer_training.scenes.texturing import (
    GAMMA,
    Image,
    TexturedSoup,
    by_corner,
    interpolated,
    linear,
)

SHADOW_OFFSET = 2e-3  # metres by which a shadow ray leaves its surface
RAYS_AT_ONCE = 16384  # few enough for the arrays about them to stay in the processor's cache
MIDDLE_GREY = 0.22  # linear; what exposure control makes of the picture's median
EXPOSURE_STRENGTH = 0.7  # 1 would make night as bright as day


@dataclass(frozen=True)
class Light:
    """A lamp, or the sun when it is far.

    Attributes:
        position: float [3] metres.
        colour: float [3], linear.
        reach: metres at which a lamp's light has halved; ``inf`` for the sun.
        shadows: whether surfaces block it.
    """

    position: NDArray[np.float64]
    colour: NDArray[np.float64]
    reach: float
    shadows: bool = True


@dataclass(frozen=True)
class Scene:
    """Everything that a picture depends on.

    Attributes:
        soup: all triangles; both sides of them are seen.
        textures: uint8 [T, 256, 256, 3] RGB, sRGB-coded.
        camera: the view.
        lights: lamps and sun.
        ambient: float [3] light from everywhere, linear.
        sky: uint8 [h, w, 3] picture behind everything.
    """

    soup: Soup
    textures: Image
    camera: Camera
    lights: Sequence[Light]
    ambient: NDArray[np.float64]
    sky: Image


def render(scene: Scene, supersampling: int = 2) -> tuple[Image, Array]:
    """Image and depth of a scene.

    Args:
        scene: what is seen.
        supersampling: rays per pixel side, which the image averages; depth has a ray of its own
            through the pixel's centre.

    Returns:
        uint8 [H, W, 3] RGB, and float32 [H, W] metres along the optical axis, 0 = sky.
    """
    camera = scene.camera
    width, height = camera.width * supersampling, camera.height * supersampling
    background = cv2.resize(scene.sky, (width, height), interpolation=cv2.INTER_LINEAR)
    codes = np.asarray(background, np.uint8).reshape(-1, 3)
    colour = np.empty((height * width, 3), np.float32)
    tracer = _Tracer(scene)
    rays = camera.rays(supersampling)
    for first in range(0, len(rays), RAYS_AT_ONCE):
        part = slice(first, first + RAYS_AT_ONCE)
        colour[part] = linear(codes[part])
        tracer.trace(rays[part], colour[part])

    image = cv2.resize(
        colour.reshape(height, width, 3),
        (camera.width, camera.height),
        interpolation=cv2.INTER_AREA,
    )
    depth = tracer.depth(camera.rays(1)).reshape(camera.height, camera.width)
    return _exposed(np.asarray(image, np.float32)), depth


class _Tracer:
    """Follows rays from the scene's camera to the first surface and on to the lights.

    Vectors of many points are arrays [3, N] here, so that NumPy works on long rows.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._embree = EmbreeScene()
        TriangleMesh(self._embree, scene.soup.points)
        self._normals = by_corner(scene.soup.normals)
        self._textured = TexturedSoup(scene.soup, scene.textures)
        self._eye = scene.camera.position.astype(np.float32)

    def depth(self, rays: Array) -> Array:
        """Metres along the optical axis of rays with unit depth, float32 [N], 0 = nothing met."""
        hits = self._hits(rays)
        return np.where(hits["primID"] >= 0, hits["tfar"], np.float32(0))

    def _hits(self, rays: Array) -> dict[str, NDArray[Any]]:
        origins = np.empty_like(rays)
        origins[:] = self._eye
        hits: dict[str, NDArray[Any]] = self._embree.run(origins, rays, output=True)
        return hits

    def trace(self, rays: Array, colour: Array) -> None:
        """Write the light of what rays meet; those that meet nothing leave their colour as it is.

        Args:
            rays: float32 [N, 3] with unit depth along the optical axis.
            colour: float32 [N, 3], gets linear light.
        """
        hits = self._hits(rays)
        seen = np.flatnonzero(hits["primID"] >= 0)
        if not seen.size:
            return
        triangle, distance = hits["primID"][seen], hits["tfar"][seen]
        weights = np.empty((3, len(seen)), np.float32)
        weights[1], weights[2] = hits["u"][seen], hits["v"][seen]
        weights[0] = 1 - weights[1] - weights[2]

        directions = rays.T.take(seen, axis=1)
        normals = interpolated(self._normals, triangle, weights)
        normals /= _length(normals) + np.float32(1e-9)
        facing = _dot(normals, directions)
        normals *= np.where(facing > 0, np.float32(-1), np.float32(1))  # surfaces are two-sided
        points = self._eye[:, None] + distance * directions
        pixel = distance / self._scene.camera.focal
        albedo = self._textured.albedo(triangle, weights, pixel, facing)
        colour[seen] = albedo * self._light(points, normals).T

    def _light(self, points: Array, normals: Array) -> Array:
        """Light on surface points from everywhere, float32 [3, N]."""
        light = np.empty_like(points)
        light[:] = self._scene.ambient[:, None]
        light *= 0.75 + 0.25 * normals[2]  # more of it comes from above
        for lamp in self._scene.lights:
            light += self._lit(lamp, points, normals)
        return light

    def _lit(self, lamp: Light, points: Array, normals: Array) -> Array:
        """Light of one lamp on each point, float32 [3, N]."""
        to_lamp = lamp.position.astype(np.float32)[:, None] - points
        distance = _length(to_lamp)
        to_lamp /= distance
        cosine = np.maximum(_dot(normals, to_lamp), 0)
        if lamp.shadows:
            turned_to = np.flatnonzero(cosine)
            start = points + SHADOW_OFFSET * normals
            blocked = self._blocked(
                start.take(turned_to, axis=1), to_lamp.take(turned_to, axis=1), distance[turned_to]
            )
            cosine[turned_to[blocked]] = 0
        fall_off = 1.0 / (1.0 + (distance / lamp.reach) ** 2)
        return np.asarray(cosine * fall_off * lamp.colour[:, None], np.float32)

    def _blocked(self, start: Array, direction: Array, distance: Array) -> NDArray[np.bool_]:
        """Whether a surface lies on the way, bool [N]."""
        if not distance.size:
            return np.zeros(0, bool)
        rays = [np.ascontiguousarray(vectors.T) for vectors in (start, direction)]
        return np.asarray(self._embree.run(*rays, dists=distance, query="OCCLUDED") != -1)


def _exposed(light: Array) -> Image:
    """The picture's codes: exposure control, a soft shoulder for highlights, gamma."""
    # Exposure control wants the picture's median near the middle.
    light = light * (MIDDLE_GREY / max(float(np.median(light)), 0.02)) ** EXPOSURE_STRENGTH
    coded = np.clip(light / (1 + 0.25 * light), 0, 1) ** (1 / GAMMA)
    return (coded * 255 + 0.5).astype(np.uint8)


def _dot(a: Array, b: Array) -> Array:
    """Of the columns of two arrays [3, N]."""
    product = a * b
    return np.asarray(product[0] + product[1] + product[2])


def _length(vectors: Array) -> Array:
    """Of the columns of an array [3, N]."""
    return np.asarray(np.sqrt(_dot(vectors, vectors)))
