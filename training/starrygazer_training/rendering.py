"""Ray casting of textured triangles: image and exact depth of a procedural scene.

Embree finds the hits; textures, Lambert shading, shadows and the camera's response are NumPy. The
aim is not beauty but an image whose edges lie exactly where depth steps, among many that do not.
World frame: metres, z up. Camera frame: REP 103 optical, x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

Array = NDArray[np.float32]

TEXTURE_SIDE = 256  # texels; all textures of a scene are stacked into one array
MIP_LEVELS = 7
SHADOW_OFFSET = 2e-3  # metres by which a shadow ray leaves its surface


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

    def moved(self, rotation: NDArray[np.floating], offset: Sequence[float]) -> Soup:
        """Rotated by a 3x3 matrix, then shifted by metres."""
        turn = np.asarray(rotation, np.float32).T
        return Soup(
            self.points @ turn + np.asarray(offset, np.float32),
            self.normals @ turn,
            self.uv,
            self.texture,
        )


def join(soups: Sequence[Soup]) -> Soup:
    """All triangles in one."""
    return Soup(
        np.concatenate([s.points for s in soups]),
        np.concatenate([s.normals for s in soups]),
        np.concatenate([s.uv for s in soups]),
        np.concatenate([s.texture for s in soups]),
    )


@dataclass(frozen=True)
class Camera:
    """Pinhole without distortion, principal point in the centre.

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
    rotation: NDArray[np.float64]
    position: NDArray[np.float64]

    def rays(self, supersampling: int) -> Array:
        """Directions with unit depth along the optical axis, float32 [rows * columns, 3]."""
        step = 1.0 / supersampling
        u = np.arange(step / 2, self.width, step) - self.width / 2
        v = np.arange(step / 2, self.height, step) - self.height / 2
        grid = np.empty((len(v), len(u), 3))
        grid[..., 0], grid[..., 1] = u / self.focal, (v / self.focal)[:, None]
        grid[..., 2] = 1.0
        return (grid.reshape(-1, 3) @ self.rotation.T).astype(np.float32)


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


def render(
    soup: Soup,
    textures: NDArray[np.uint8],
    camera: Camera,
    lights: Sequence[Light],
    ambient: NDArray[np.float64],
    sky: NDArray[np.uint8],
    supersampling: int = 2,
) -> tuple[NDArray[np.uint8], Array]:
    """Image and depth of a scene.

    Args:
        soup: all triangles.
        textures: uint8 [T, 256, 256, 3] RGB, sRGB-coded.
        camera: the view.
        lights: of the scene.
        ambient: float [3] light from everywhere, linear.
        sky: uint8 [h, w, 3] picture behind everything.
        supersampling: rays per pixel side; the image averages them, depth is the central ray's.

    Returns:
        uint8 [H, W, 3] RGB, and float32 [H, W] metres along the optical axis, 0 = sky.
    """
    scene = EmbreeScene()
    TriangleMesh(scene, soup.points)
    rays = camera.rays(supersampling)
    origins = np.broadcast_to(camera.position.astype(np.float32), rays.shape).copy()
    hits = scene.run(origins, rays, output=True)
    seen = np.flatnonzero(hits["primID"] >= 0)
    distance = hits["tfar"][seen]  # rays have unit depth, so this is depth
    primitive = hits["primID"][seen]
    weights = np.stack([1 - hits["u"][seen] - hits["v"][seen], hits["u"][seen], hits["v"][seen]], 1)

    normals = np.einsum("nk,nkc->nc", weights, soup.normals[primitive])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    facing = (normals * rays[seen]).sum(1)
    normals[facing > 0] *= -1  # surfaces are two-sided
    albedo = _look_up(soup, textures, primitive, weights, distance, np.abs(facing), camera.focal)
    points = origins[seen] + distance[:, None] * rays[seen]
    light = np.broadcast_to(ambient, points.shape).astype(np.float32).copy()
    light *= 0.75 + 0.25 * normals[:, 2:3]  # more of it comes from above
    for lamp in lights:
        light += _lit(scene, lamp, points, normals)

    width, height = camera.width * supersampling, camera.height * supersampling
    background = cv2.resize(sky, (width, height), interpolation=cv2.INTER_LINEAR)
    colour = _decode(background.reshape(-1, 3))
    colour[seen] = albedo * light
    colour = colour.reshape(height, width, 3)
    image = cv2.resize(colour, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    # The eye, and the exposure control, want the picture's mean near the middle.
    image = image * (0.22 / max(float(np.median(image)), 0.02)) ** 0.7
    coded = np.clip(image / (1 + 0.25 * image), 0, 1) ** (1 / 2.2)

    depth = np.zeros(height * width, np.float32)
    depth[seen] = distance
    centre = supersampling // 2
    depth = depth.reshape(height, width)[centre::supersampling, centre::supersampling]
    return (coded * 255 + 0.5).astype(np.uint8), np.ascontiguousarray(depth)


def _lit(scene: EmbreeScene, lamp: Light, points: Array, normals: Array) -> Array:
    """Light of one lamp on each point, float32 [N, 3]."""
    to_lamp = lamp.position.astype(np.float32) - points
    distance = np.linalg.norm(to_lamp, axis=1, keepdims=True)
    to_lamp /= distance
    cosine = np.maximum((normals * to_lamp).sum(1, keepdims=True), 0)
    if lamp.shadows:
        start = points + SHADOW_OFFSET * normals
        blocked = scene.run(start, to_lamp, dists=distance[:, 0].copy(), query="OCCLUDED")
        cosine[blocked != -1] = 0
    fall_off = 1.0 / (1.0 + (distance / lamp.reach) ** 2)
    return (cosine * fall_off * lamp.colour).astype(np.float32)


def _look_up(
    soup: Soup,
    textures: NDArray[np.uint8],
    primitive: NDArray[np.int32],
    weights: Array,
    distance: Array,
    facing: Array,
    focal: float,
) -> Array:
    """Linear albedo of each hit from the mip level that fits its footprint, float32 [N, 3]."""
    uv = np.einsum("nk,nkc->nc", weights, soup.uv[primitive])
    edges_uv = soup.uv[:, 1:] - soup.uv[:, :1]
    edges = soup.points[:, 1:] - soup.points[:, :1]
    area_uv = np.abs(edges_uv[:, 0, 0] * edges_uv[:, 1, 1] - edges_uv[:, 0, 1] * edges_uv[:, 1, 0])
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    tiles_per_metre = np.sqrt(area_uv / np.maximum(area, 1e-12))[primitive]
    footprint = distance / focal * tiles_per_metre * TEXTURE_SIDE / np.maximum(facing, 0.15)
    level = np.clip(np.log2(np.maximum(footprint, 1e-6)).round(), 0, MIP_LEVELS - 1).astype(int)
    # Mirrored tiling has no seams.
    uv = np.abs((uv + 1.0) % 2.0 - 1.0)
    which = soup.texture[primitive]
    albedo = np.empty((len(uv), 3), np.float32)
    for index in range(MIP_LEVELS):
        chosen = np.flatnonzero(level == index)
        if chosen.size:
            side = TEXTURE_SIDE >> index
            cell = np.minimum((uv[chosen] * side).astype(int), side - 1)
            albedo[chosen] = _decode(textures[which[chosen], cell[:, 1], cell[:, 0]])
        textures = _halved(textures)
    return albedo


def _halved(textures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mean of 2x2 texels."""
    rows = textures[:, ::2].astype(np.uint16) + textures[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) >> 2).astype(np.uint8)


def _decode(srgb: NDArray[np.uint8]) -> Array:
    """Linear light from sRGB codes."""
    table = ((np.arange(256) / 255.0) ** 2.2).astype(np.float32)
    return table[srgb]
