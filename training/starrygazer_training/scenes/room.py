"""Rooms: four walls with pictures, doors and windows, furniture along them and between."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from starrygazer_training.scenes import furniture, shapes, things
from starrygazer_training.scenes.camera import random_camera
from starrygazer_training.scenes.lighting import random_colour
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.rendering import Light, Scene
from starrygazer_training.scenes.soup import Soup, join, turn
from starrygazer_training.scenes.walls import wall

Floats = NDArray[np.float64]
Rng = np.random.Generator

ALONG_WALLS = (
    furniture.shelf,
    furniture.cabinet,
    furniture.sofa,
    furniture.bed,
    things.plant,
    things.lamp,
    things.rack,
    furniture.desk,
)
FREE = (
    furniture.dining_table,
    furniture.chair,
    furniture.chair,
    things.plant,
    things.block,
    furniture.sofa,
    things.rack,
    things.person,
    things.lamp,
)


def room(materials: Materials) -> Scene:
    """A furnished room of 2.5 to 9 m, seen from inside.

    The floor is z = 0, and the middle of the room the origin.
    """
    rng = materials.rng
    size = np.array([rng.uniform(2.5, 9), rng.uniform(2.5, 9), rng.uniform(2.3, 3.6)])
    parts = _shell(materials, size)
    eye, yaw = _point_of_view(rng, size)
    parts += _furniture_along_walls(materials, size, eye)
    parts += _furniture_in_view(materials, size, eye, yaw)
    if rng.random() < 0.3:
        parts += _hanging_lamp(materials, size, eye, yaw)
    camera = random_camera(rng, eye, yaw, rng.normal(0.12, 0.18), (48, 85))
    lights = [_ceiling_light(rng, size) for _ in range(int(rng.integers(1, 3)))]
    ambient = random_colour(rng, (0.15, 0.6))
    soup, textures = join(parts), materials.textures()
    return Scene(soup, textures, camera, lights, ambient, sky=materials.photograph())


def _shell(materials: Materials, size: Floats) -> list[Soup]:
    """Floor, ceiling and walls."""
    rng = materials.rng
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    floor, ceiling = materials.texture(0.2), materials.texture(0.05)
    below = np.array([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)])
    parts = [
        shapes.quad(below, floor, rng.uniform(0.6, 2.5)),
        shapes.quad(below + np.array([0, 0, z]), ceiling, 2),
    ]
    paint = materials.texture(0.1)
    for angle, half, distance in ((0, y, x), (np.pi / 2, x, y), (np.pi, y, x), (-np.pi / 2, x, y)):
        parts.append(wall(materials, half, z, paint).shifted((distance, 0, 0)).turned(angle))
    return parts


def _point_of_view(rng: Rng, size: Floats) -> tuple[Floats, float]:
    """Eye [3] in metres and yaw in radians: across the room rather than into the next wall."""
    x, y = size[:2] / 2
    eye = np.array([rng.uniform(-0.9, 0.9) * x, rng.uniform(-0.9, 0.9) * y, rng.uniform(0.5, 1.8)])
    aim = -np.sign(eye[:2]) * rng.uniform(0, 0.8, 2) * size[:2] / 2
    ahead = aim - eye[:2]
    return eye, float(np.arctan2(ahead[1], ahead[0])) + rng.normal(0, 0.3)


def _furniture_along_walls(materials: Materials, size: Floats, eye: Floats) -> list[Soup]:
    """Pieces with their backs to a wall, none where the camera stands."""
    rng = materials.rng
    parts = []
    for _ in range(int(rng.integers(2, 9))):
        side = int(rng.integers(4))
        angle = side * np.pi / 2
        distance, half = (size[:2] if side % 2 == 0 else size[1::-1]) / 2
        at = turn(angle) @ np.array([distance - 0.4, rng.uniform(-0.85, 0.85) * half, 0])
        if np.hypot(*(at - eye)[:2]) > 1.6:
            make = ALONG_WALLS[int(rng.integers(len(ALONG_WALLS)))]
            parts.append(make(materials).turned(angle + np.pi).shifted(at))
    return parts


def _furniture_in_view(materials: Materials, size: Floats, eye: Floats, yaw: float) -> list[Soup]:
    """Pieces anywhere before the camera."""
    rng = materials.rng
    parts = []
    for _ in range(int(rng.integers(1, 9))):
        distance = rng.uniform(1.3, 0.8 * size[:2].max())
        bearing = yaw + rng.uniform(-0.6, 0.6)
        at = np.array([eye[0] + distance * np.cos(bearing), eye[1] + distance * np.sin(bearing), 0])
        if (np.abs(at[:2]) < size[:2] / 2 - 0.3).all():
            angle = rng.uniform(0, 6.3)
            make = FREE[int(rng.integers(len(FREE)))]
            parts.append(make(materials).turned(angle).shifted(at))
    return parts


def _hanging_lamp(materials: Materials, size: Floats, eye: Floats, yaw: float) -> list[Soup]:
    """A shade below a cable from the ceiling, 1 to 3 m before the camera."""
    rng = materials.rng
    x, y = eye[:2] + rng.uniform(1, 3) * np.array([np.cos(yaw), np.sin(yaw)])
    low = rng.uniform(1.5, 2.2)
    cable = shapes.rod((x, y, low), (x, y, size[2]), 0.008, materials.texture(0.0))
    shade = shapes.lathe([(0.25, 0), (0.05, 0.2)], materials.texture(0.2))
    return [cable, shade.shifted((x, y, low))]


def _ceiling_light(rng: Rng, size: Floats) -> Light:
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    position = [rng.uniform(-0.9, 0.9) * x, rng.uniform(-0.9, 0.9) * y, z * rng.uniform(0.6, 0.97)]
    return Light(np.array(position), random_colour(rng, (0.4, 1.6)), rng.uniform(1.5, 6))
