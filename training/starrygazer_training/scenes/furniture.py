"""Furniture of rooms; builders as in :mod:`starrygazer_training.scenes.things`.

What has a front looks along +x.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from starrygazer_training.scenes import shapes, things
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.soup import Soup, join


def table(materials: Materials, size: Sequence[float]) -> Soup:
    """Slab on four legs, ``size`` (x, y, z) in metres."""
    rng = materials.rng
    top, leg = materials.texture(0.1), materials.texture(0.05)
    x, y, z = size
    slab = rng.uniform(0.02, 0.06)
    thick, inset = rng.uniform(0.02, 0.08), rng.uniform(0.03, 0.1)
    one = shapes.box((thick, thick, z - slab), leg)
    legs = [
        one.shifted((i * (x / 2 - inset), j * (y / 2 - inset), 0)) for i in (-1, 1) for j in (-1, 1)
    ]
    return join([shapes.box((x, y, slab), top).shifted((0, 0, z - slab)), *legs])


def desk(materials: Materials) -> Soup:
    """Table of a desk's size with things on it."""
    rng = materials.rng
    return _laid_table(
        materials, (rng.uniform(0.5, 0.8), rng.uniform(0.9, 1.8), rng.uniform(0.68, 0.78))
    )


def dining_table(materials: Materials) -> Soup:
    """Low or high table with things on it."""
    rng = materials.rng
    return _laid_table(
        materials, (rng.uniform(0.5, 1.1), rng.uniform(0.5, 2.0), rng.uniform(0.4, 0.8))
    )


def _laid_table(materials: Materials, size: Sequence[float]) -> Soup:
    rng = materials.rng
    parts = [table(materials, size)]
    for _ in range(int(rng.integers(0, 8))):
        at = rng.uniform(-0.42, 0.42) * size[0], rng.uniform(-0.42, 0.42) * size[1], size[2]
        yaw = rng.uniform(0, 6.3)
        thing = things.something(materials, rng.uniform(0.06, 0.4))
        parts.append(thing.turned(yaw).shifted(at))
    return join(parts)


def chair(materials: Materials) -> Soup:
    """Chair with a solid back or with bars."""
    rng = materials.rng
    seat, wide, high = rng.uniform(0.4, 0.5), rng.uniform(0.38, 0.55), rng.uniform(0.8, 1.1)
    parts = [table(materials, (wide, wide, seat))]
    texture, back = materials.texture(0.1), -wide / 2
    if rng.random() < 0.5:
        board = shapes.box((0.04, wide, high - seat), texture)
        return join([*parts, board.shifted((back, 0, seat))])
    for y in np.linspace(-wide / 2, wide / 2, int(rng.integers(3, 8))):
        parts.append(
            shapes.rod((back, y, seat), (back, y, high), rng.uniform(0.008, 0.02), texture)
        )
    parts.append(shapes.box((0.03, wide, 0.08), texture).shifted((back, 0, high - 0.08)))
    return join(parts)


def shelf(materials: Materials) -> Soup:
    """Boards with books between two sides, with or without a back."""
    rng = materials.rng
    wide, deep, high = rng.uniform(0.5, 1.8), rng.uniform(0.25, 0.45), rng.uniform(0.8, 2.3)
    wood = materials.texture(0.1)
    boards = int(rng.integers(3, 7))
    side, board = shapes.box((deep, 0.025, high), wood), shapes.box((deep, wide, 0.025), wood)
    parts = [side.shifted((0, -wide / 2, 0)), side.shifted((0, wide / 2, 0))]
    if rng.random() < 0.7:
        back = shapes.box((0.015, wide, high), materials.texture(0.1))
        parts.append(back.shifted((-deep / 2, 0, 0)))
    for z in np.linspace(0.05, high - 0.03, boards):
        parts.append(board.shifted((0, 0, z)))
        if z < high - 0.2:
            books = _row_of_books(materials, wide, deep, high / boards)
            parts += [book.shifted((0, 0, z + 0.025)) for book in books]
    return join(parts)


def _row_of_books(materials: Materials, wide: float, deep: float, room: float) -> list[Soup]:
    """Books from the left of a board, with gaps; ``room`` is the height above it in metres."""
    rng = materials.rng
    books = []
    y = -wide / 2 + 0.04
    while y < wide / 2 - 0.1 and rng.random() < 0.95:
        thick, high = rng.uniform(0.02, 0.08), rng.uniform(0.5, 0.85) * room
        if rng.random() < 0.75:
            size = (deep * rng.uniform(0.5, 0.9), thick, high)
            books.append(shapes.box(size, materials.texture(0.3)).shifted((0, y + thick / 2, 0)))
        y += thick + (rng.uniform(0, 0.15) if rng.random() < 0.2 else 0.004)
    return books


def cabinet(materials: Materials) -> Soup:
    """Box with doors and handles."""
    rng = materials.rng
    size = rng.uniform(0.3, 0.7), rng.uniform(0.4, 1.8), rng.uniform(0.5, 2.2)
    parts = [shapes.box(size, materials.texture(0.15), rng.uniform(0.5, 2))]
    doors, front = int(rng.integers(1, 5)), size[0] / 2
    panel, metal = materials.texture(0.15), materials.texture(0.0)
    width = size[1] / doors
    door = shapes.box((0.02, width - 0.03, size[2] * 0.92), panel)
    low, high = size[2] * 0.4, size[2] * 0.6
    for index in range(doors):
        y = -size[1] / 2 + (index + 0.5) * width
        handle, out = y + width * 0.35, front + 0.04
        parts.append(door.shifted((front, y, size[2] * 0.04)))
        parts.append(shapes.rod((out, handle, low), (out, handle, high), 0.008, metal))
    return join(parts)


def sofa(materials: Materials) -> Soup:
    """Sofa or armchair with cushions."""
    rng = materials.rng
    wide, deep, texture = rng.uniform(0.8, 2.4), rng.uniform(0.75, 1.0), materials.texture(0.2)
    soft = (rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.4))
    seat = shapes.superquadric((deep, wide, 0.45), soft, texture)
    back = shapes.superquadric((0.3, wide, rng.uniform(0.7, 1.0)), soft, texture)
    parts = [seat, back.shifted((-deep / 2, 0, 0))]
    for y in (-wide / 2, wide / 2):
        arm = shapes.superquadric((deep, 0.22, rng.uniform(0.55, 0.7)), soft, texture)
        parts.append(arm.shifted((0, y, 0)))
    for _ in range(int(rng.integers(0, 4))):
        cushion = shapes.superquadric((0.14, 0.4, 0.4), (0.6, 0.4), materials.texture(0.4))
        cushion = cushion.turned(rng.normal(0, 0.3), 1)
        parts.append(cushion.shifted((-0.15, rng.uniform(-0.4, 0.4) * wide, 0.4)))
    return join(parts)


def bed(materials: Materials) -> Soup:
    """Bed with mattress, blanket, two pillows and a headboard at -x."""
    rng = materials.rng
    long, wide = rng.uniform(1.9, 2.2), rng.uniform(0.9, 1.9)
    frame = shapes.box((long, wide, 0.3), materials.texture(0.1))
    mattress = shapes.superquadric((long, wide, 0.35), (0.2, 0.15), materials.texture(0.4))
    blanket = shapes.lump((1.2, wide * 0.9, 0.3), 0.12, materials.texture(0.4), rng)
    parts = [frame, mattress.shifted((0, 0, 0.2)), blanket.shifted((0.2, 0, 0.42))]
    for y in np.linspace(-0.25, 0.25, 2) * wide:
        pillow = shapes.superquadric((0.4, 0.6, 0.18), (0.6, 0.4), materials.texture(0.2))
        parts.append(pillow.shifted((-long * 0.38, y, 0.5)))
    head = shapes.box((0.06, wide, rng.uniform(0.7, 1.2)), materials.texture(0.2))
    return join([*parts, head.shifted((-long / 2, 0, 0))])
