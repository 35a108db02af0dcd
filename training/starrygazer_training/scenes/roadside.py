"""What stands beside a road: pavement, buildings, trees, poles, hedges, fences, people, cars.

Metres; the road runs along x with its surface at z = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from starrygazer_training.scenes import shapes, things
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.soup import Soup, join
from starrygazer_training.scenes.vehicles import car


def roadside(
    materials: Materials, side: int, edge: float, pavement: float, kerb: float, length: float
) -> list[Soup]:
    """Everything on one side of a street.

    Args:
        materials: of the scene.
        side: 1 for +y, -1 for -y.
        edge: metres from the middle of the road to its edge.
        pavement: its width.
        kerb: its height.
        length: of the street.
    """
    rng = materials.rng
    inner, outer = side * edge, side * (edge + pavement)
    middle = (inner + outer) / 2
    parts = []
    if kerb:
        slab = shapes.box((340, pavement, kerb), materials.texture(0.2), 2)
        parts.append(slab.shifted((130, middle, 0)))
    parts += _row_of_buildings(materials, side, outer, length)
    leaves, bark = materials.texture(0.5), materials.texture(0.3)
    for _ in range(int(rng.integers(0, 12))):
        at = (rng.uniform(3, length), outer - side * rng.uniform(-3, pavement * 0.9), 0.0)
        parts.append(_street_furniture(materials, at, leaves, bark))
    for _ in range(int(rng.integers(0, 4))):
        at = (rng.uniform(4, 40), middle + rng.normal(0, 0.5), kerb)
        yaw = rng.uniform(0, 6.3)
        parts.append(things.person(materials).turned(yaw).shifted(at))
    if rng.random() < 0.4:
        parts += _parked_cars(materials, side * (edge - 1.1))
    return parts


def _row_of_buildings(materials: Materials, side: int, front: float, length: float) -> list[Soup]:
    """Buildings with gaps behind the line y = ``front``, on a quarter of the roads none."""
    rng = materials.rng
    parts = []
    x, built = rng.uniform(-10, 10), rng.random() < 0.75
    while built and x < length:
        wide, tall, deep = rng.uniform(6, 25), rng.uniform(3, 16), rng.uniform(6, 14)
        setback = rng.uniform(0, 5)
        if rng.random() < 0.8:
            centre = front + side * (setback + deep / 2)
            parts.append(
                building(materials, (wide, deep, tall), side).shifted((x + wide / 2, centre, 0))
            )
        x += wide + rng.uniform(0, 6)
    return parts


def building(materials: Materials, size: Sequence[float], side: int) -> Soup:
    """Block with rows of windows that are set in or stand out a little, at times with a roof.

    Args:
        materials: of the scene.
        size: wide (along the road), deep, tall in metres, without the roof.
        side: of the road: 1 turns the windows to -y, -1 to +y.
    """
    rng = materials.rng
    wide, deep, tall = size
    parts = [shapes.box(size, materials.texture(0.4), rng.uniform(2, 8))]
    front = -side * deep / 2
    floors, bays = max(1, int(tall / 3)), max(1, int(wide / rng.uniform(2, 4)))
    glass, relief = materials.texture(0.4), rng.uniform(0.02, 0.25)
    window = shapes.box((wide / bays * 0.5, relief, 1.4), glass, 2)
    for floor in range(floors):
        for bay in range(bays):
            at = (-wide / 2 + (bay + 0.5) * wide / bays, front, floor * 3 + 0.9)
            parts.append(window.shifted(at))
    if rng.random() < 0.4:
        left, right = -wide / 2, wide / 2
        ridge = tall + 3
        slopes = [
            [[left, front, tall], [right, front, tall]],
            [[left, 0, ridge], [right, 0, ridge]],
            [[left, -front, tall], [right, -front, tall]],
        ]
        parts.append(shapes.facets(np.array(slopes), materials.texture(0.2), 2))
    return join(parts)


def _street_furniture(materials: Materials, at: Sequence[float], leaves: int, bark: int) -> Soup:
    kind = materials.rng.random()
    if kind < 0.4:
        return tree(materials, leaves, bark).shifted(at)
    if kind < 0.75:
        return pole(materials).shifted(at)
    if kind < 0.9:
        return hedge(materials, leaves).shifted(at)
    return fence(materials, at)


def tree(materials: Materials, leaves: int, bark: int) -> Soup:
    """Trunk and crown with the given textures; branches may hang low."""
    rng = materials.rng
    high, wide = rng.uniform(1.5, 4), rng.uniform(2, 6)
    trunk = shapes.lathe([(0.18, 0), (0.1, high + 1)], bark)
    size = (wide, wide, wide * rng.uniform(0.7, 1.6))
    leaf, count = rng.uniform(0.1, 0.4), int(rng.integers(600, 3000))
    crown = shapes.foliage(size, leaf, count, leaves, rng)
    return join([trunk, crown.shifted((0, 0, high))])


def pole(materials: Materials) -> Soup:
    """Pole, most with a sign that faces the traffic."""
    rng = materials.rng
    high = rng.uniform(2, 8)
    parts = [shapes.rod((0, 0, 0), (0, 0, high), rng.uniform(0.03, 0.12), materials.texture(0.0))]
    if rng.random() < 0.7:
        side = rng.uniform(0.4, 1.0)
        plate = shapes.box((0.03, side, side), materials.texture(0.7), side)
        parts.append(plate.shifted((0, 0, high - side)))
    return join(parts)


def hedge(materials: Materials, leaves: int) -> Soup:
    """Long bumpy ellipsoid; its lowest bumps may reach below the ground."""
    rng = materials.rng
    size = (rng.uniform(2, 15), rng.uniform(0.5, 1.5), rng.uniform(0.6, 2))
    return shapes.lump(size, 0.08, leaves, rng, 1.5)


def fence(materials: Materials, at: Sequence[float] = (0, 0, 0)) -> Soup:
    """Posts 1.1 m high from ``at`` along +x, with a rail of 20 m."""
    rng = materials.rng
    texture, (x, y, z) = materials.texture(0.05), at
    post = shapes.rod((0, 0, 0), (0, 0, 1.1), 0.03, texture)
    steps = np.arange(0, rng.uniform(4, 20), rng.uniform(0.15, 2.0))
    rail = shapes.rod((0, 0, 1.0), (20, 0, 1.0), 0.03, texture)
    return join([*(post.shifted((x + step, y, z)) for step in steps), rail.shifted(at)])


def _parked_cars(materials: Materials, y: float) -> list[Soup]:
    rng = materials.rng
    parts = []
    for x in np.arange(rng.uniform(4, 12), rng.uniform(15, 60), rng.uniform(5.5, 9)):
        yaw = rng.choice([0.0, np.pi])
        parts.append(car(materials).turned(yaw).shifted((x, y, 0)))
    return parts
