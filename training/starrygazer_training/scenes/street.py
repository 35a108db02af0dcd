"""Streets: road with markings, buildings or greenery on both sides, cars and people.

The road runs along +x, in which the camera looks; left is +y, and the road's surface z = 0.
"""

from __future__ import annotations

import numpy as np

from starrygazer_training.scenes import shapes, things
from starrygazer_training.scenes.camera import random_camera
from starrygazer_training.scenes.lighting import random_colour
from starrygazer_training.scenes.materials import Materials, open_sky
from starrygazer_training.scenes.rendering import Light, Scene
from starrygazer_training.scenes.roadside import roadside
from starrygazer_training.scenes.soup import Soup, join
from starrygazer_training.scenes.vehicles import car

Rng = np.random.Generator

SUN_DISTANCE = 1000.0  # metres; far enough for parallel shadows
LANES = np.array([-0.3, 0.3, -0.45, 0.45])  # shares of the road's width


def street(materials: Materials) -> Scene:
    """A street of 60 to 140 m under the sky, seen from a car, a robot or on foot."""
    rng = materials.rng
    road, length = rng.uniform(5, 14), rng.uniform(60, 140)
    tile = rng.uniform(1.5, 6)
    pavement, kerb = rng.uniform(1.5, 6), float(rng.choice([0.0, 0.15]))
    parts = [_countryside(materials), _surface(materials, road, tile)]
    for y in np.arange(-1, 2) * road / 3:
        if rng.random() < 0.6:
            parts.append(_line(materials, y))
    for side in (-1, 1):
        parts += roadside(materials, side, road / 2, pavement, kerb, length)
    parts += _traffic(materials, road)
    eye = (0, rng.uniform(-0.35, 0.35) * road, rng.uniform(0.6, 2.2))
    camera = random_camera(rng, eye, rng.normal(0, 0.12), rng.normal(0.02, 0.05), (45, 90))
    sun, ambient = _sun(rng), random_colour(rng, (0.3, 0.8))
    return Scene(join(parts), materials.textures(), camera, [sun], ambient, open_sky(materials))


def _countryside(materials: Materials) -> Soup:
    rng = materials.rng
    height, texture = rng.uniform(0, 0.4), materials.texture(0.3)
    return shapes.terrain((400, 400), height, texture, rng, 8).shifted((100, 0, -0.6))


def _surface(materials: Materials, road: float, tile: float) -> Soup:
    edge = road / 2
    corners = [(-20, -edge, 0), (300, -edge, 0), (300, edge, 0), (-20, edge, 0)]
    return shapes.quad(corners, materials.texture(0.15), tile)


def _line(materials: Materials, y: float) -> Soup:
    """Broken white line of 3 m pieces, 14 cm wide."""
    rng = materials.rng
    paint = materials.texture(0.0)
    starts = np.arange(rng.uniform(0, 4), 80, rng.choice([4, 8]))
    piece = np.array(
        [(0, y - 0.07, 0.01), (3, y - 0.07, 0.01), (3, y + 0.07, 0.01), (0, y + 0.07, 0.01)]
    )
    return shapes.quads(piece + starts[:, None, None] * (1, 0, 0), paint)


def _traffic(materials: Materials, road: float) -> list[Soup]:
    """Cars in both directions, people on the road."""
    rng = materials.rng
    parts = []
    for _ in range(int(rng.integers(0, 9))):
        at = (rng.uniform(5, 60), rng.choice(LANES * road) + rng.normal(0, 0.2), 0)
        yaw = rng.choice([0.0, np.pi]) + rng.normal(0, 0.06)
        parts.append(car(materials).turned(yaw).shifted(at))
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 4))):
            at = (rng.uniform(4, 30), rng.uniform(-0.6, 0.6) * road, 0)
            yaw = rng.uniform(0, 6.3)
            parts.append(things.person(materials).turned(yaw).shifted(at))
    return parts


def _sun(rng: Rng) -> Light:
    towards = np.array([rng.normal(0, 1), rng.normal(0, 1), rng.uniform(0.3, 1.5)])
    return Light(towards * SUN_DISTANCE, random_colour(rng, (0, 1.8)), np.inf)
