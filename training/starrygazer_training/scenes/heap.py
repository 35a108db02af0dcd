"""Heaps: things on a surface, near; at times things in the air before a wall, of any size."""

from __future__ import annotations

import numpy as np

from starrygazer_training.scenes import furniture, shapes, things
from starrygazer_training.scenes.camera import Camera, random_camera
from starrygazer_training.scenes.lighting import random_colour
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.rendering import Light, Scene
from starrygazer_training.scenes.soup import Soup, join
from starrygazer_training.scenes.walls import wall

Rng = np.random.Generator

THINGS = (things.vessel, things.block, things.block, things.heap_of_cloth, things.screen)
LARGER_THINGS = (things.rack, things.plant, things.lamp, furniture.chair)


def heap(materials: Materials) -> Scene:
    """Clutter around the origin before one or two walls, seen from 1 to 2 m, then scaled."""
    rng = materials.rng
    scale = np.exp(rng.uniform(np.log(0.5), np.log(2.0)))
    parts = [_ground(materials)]
    for angle in rng.uniform(-0.6, 0.6, int(rng.integers(1, 3))):
        backdrop = wall(materials, 5, 4, materials.texture(0.4))
        parts.append(backdrop.shifted((rng.uniform(1.7, 3.2), 0, 0)).turned(angle))
    floating = rng.random() < 0.3
    for _ in range(int(rng.integers(4, 30))):
        parts.append(_thing_in_the_air(materials) if floating else _thing_on_the_ground(materials))
    camera = _camera(rng, scale)
    lights = [_lamp(rng, scale) for _ in range(int(rng.integers(1, 3)))]
    ambient = random_colour(rng, (0.2, 0.7))
    soup, textures = join(parts).scaled(scale), materials.textures()
    return Scene(soup, textures, camera, lights, ambient, sky=materials.photograph())


def _ground(materials: Materials) -> Soup:
    rng = materials.rng
    height, texture, tile = rng.uniform(0, 0.05), materials.texture(0.4), rng.uniform(0.4, 2)
    return shapes.terrain((14, 14), height, texture, rng, tile)


def _thing_on_the_ground(materials: Materials) -> Soup:
    rng = materials.rng
    at = (rng.uniform(-0.5, 1.6), rng.uniform(-1.2, 1.2), 0.0)
    yaw = rng.uniform(0, 6.3)
    return _thing(materials).turned(yaw).shifted(at)


def _thing_in_the_air(materials: Materials) -> Soup:
    """Turned about its foot, which is up to 1 m above the ground."""
    rng = materials.rng
    at = np.array([rng.uniform(-0.5, 1.6), rng.uniform(-1.2, 1.2), rng.uniform(0, 1.0)])
    yaw = rng.uniform(0, 6.3)
    return _thing(materials).turned(yaw).turned(rng.uniform(0, 6.3), 0).shifted(at)


def _thing(materials: Materials) -> Soup:
    rng = materials.rng
    if rng.random() < 0.15:
        return LARGER_THINGS[int(rng.integers(len(LARGER_THINGS)))](materials)
    make = THINGS[int(rng.integers(len(THINGS)))]
    return make(materials, rng.uniform(0.08, 0.6))


def _camera(rng: Rng, scale: float) -> Camera:
    """From the side of -x, looking at the heap."""
    eye = np.array([-rng.uniform(0.9, 1.8), rng.uniform(-0.4, 0.4), rng.uniform(0.3, 1.5)])
    pitch = float(np.arctan2(eye[2] - 0.2, -eye[0] + 0.4)) + rng.normal(0, 0.12)
    return random_camera(rng, eye * scale, rng.normal(0, 0.15), pitch, (40, 75))


def _lamp(rng: Rng, scale: float) -> Light:
    position = np.array([rng.uniform(-3, 1), rng.uniform(-3, 3), rng.uniform(1.5, 4)]) * scale
    return Light(position, random_colour(rng, (0.5, 1.8)), rng.uniform(2, 6) * scale)
