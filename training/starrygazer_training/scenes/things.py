"""Things that stand on floors and tables, each a builder of one object.

A builder takes the scene's materials, draws shape and textures from their generator, and returns a
soup that stands on z = 0 around the z axis, in metres. ``size`` is about its largest extent.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from starrygazer_training.scenes import shapes
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.soup import Soup, join


def vessel(materials: Materials, size: float = 0.0) -> Soup:
    """Bottle, vase, cup or bowl."""
    rng = materials.rng
    high = size or rng.uniform(0.1, 0.5)
    wide = high * rng.uniform(0.12, 0.5)
    radii = wide * rng.uniform(0.3, 1.0, 6)
    heights = np.linspace(0, high, 6)
    profile = [(shapes.NOT_ZERO, 0), *zip(radii, heights, strict=True)]
    return shapes.lathe(profile, materials.texture(0.3), 0.3)


def block(materials: Materials, size: float = 0.0) -> Soup:
    """Box or superquadric in any proportion."""
    rng = materials.rng
    extent = (size or rng.uniform(0.1, 0.9)) * rng.uniform(0.25, 1.0, 3)
    tile = float(extent.max())
    if rng.random() < 0.5:
        return shapes.box(extent, materials.texture(0.5), tile)
    roundness = rng.uniform(0.1, 1.6), rng.uniform(0.1, 1.6)
    return shapes.superquadric(extent, roundness, materials.texture(0.5), tile)


def heap_of_cloth(materials: Materials, size: float = 0.0) -> Soup:
    """Bumpy ellipsoid; its lowest bumps may reach below the ground."""
    rng = materials.rng
    extent = (size or rng.uniform(0.2, 0.8)) * rng.uniform(0.4, 1.0, 3)
    return shapes.lump(extent, rng.uniform(0.05, 0.3), materials.texture(0.5), rng, 0.6)


def screen(materials: Materials, size: float = 0.0) -> Soup:
    """Monitor or television on a foot, looking along +x, with a picture that is flat."""
    rng = materials.rng
    wide = size or rng.uniform(0.35, 1.4)
    high, foot = wide * rng.uniform(0.55, 0.75), wide * 0.15
    dark = materials.texture(0.0)
    x, y, z = 0.017, wide / 2 * 0.94, (foot + high * 0.05, foot + high * 0.95)
    shown = [(x, -y, z[1]), (x, y, z[1]), (x, y, z[0]), (x, -y, z[0])]
    return join(
        [
            shapes.box((0.03, wide, high), dark).shifted((0, 0, foot)),
            shapes.quad(shown, materials.texture(0.7), 2 * wide),
            shapes.box((0.05, 0.05, foot), dark),
            shapes.box((wide * 0.3, wide * 0.4, 0.015), dark),
        ]
    )


def something(materials: Materials, size: float) -> Soup:
    """What one finds on a table."""
    makers = (vessel, block, heap_of_cloth, screen)
    return makers[int(materials.rng.choice(4, p=[0.35, 0.4, 0.1, 0.15]))](materials, size)


def lamp(materials: Materials) -> Soup:
    """Floor or table lamp with an open shade."""
    rng = materials.rng
    high, wide = rng.uniform(0.3, 1.8), rng.uniform(0.12, 0.3)
    foot = shapes.cylinder(wide * 0.6, 0.03, materials.texture(0.0))
    pole = shapes.rod((0, 0, 0), (0, 0, high), rng.uniform(0.006, 0.02), materials.texture(0.0))
    profile = [(wide, high - 0.1), (wide * rng.uniform(0.3, 0.9), high + wide)]
    return join([foot, pole, shapes.lathe(profile, materials.texture(0.2), 0.5)])


def plant(materials: Materials) -> Soup:
    """Pot with a crown of leaves, of which the lowest may hang below the pot's rim."""
    rng = materials.rng
    pot = rng.uniform(0.1, 0.3)
    profile = [
        (shapes.NOT_ZERO, 0),
        (pot * 0.7, 0),
        (pot, pot * 1.6),
        (shapes.NOT_ZERO, pot * 1.5),
    ]
    vase = shapes.lathe(profile, materials.texture(0.2), 0.5)
    crown = np.array([1, 1, rng.uniform(0.8, 2)]) * rng.uniform(0.3, 0.9)
    leaf, count = rng.uniform(0.03, 0.1), int(rng.integers(100, 600))
    leaves = shapes.foliage(crown, leaf, count, materials.texture(0.5), rng)
    return join([vase, leaves.shifted((0, 0, pot * 1.4))])


def rack(materials: Materials) -> Soup:
    """Ladder, rack, railing or bicycle: thin rods with gaps."""
    rng, texture = materials.rng, materials.texture(0.05)
    wide, high, radius = rng.uniform(0.3, 1.2), rng.uniform(0.6, 2.0), rng.uniform(0.006, 0.025)
    lean = rng.normal(0, 0.15)
    parts = [shapes.rod((0, y, 0), (lean, y, high), radius, texture) for y in (-wide / 2, wide / 2)]
    for t in np.linspace(0.05, 1, int(rng.integers(2, 12))):
        left, right = (lean * t, -wide / 2, high * t), (lean * t, wide / 2, high * t)
        parts.append(shapes.rod(left, right, radius, texture))
    if rng.random() < 0.4:
        parts += [_wheel(y, radius, texture) for y in (-wide / 2, wide / 2)]
    return join(parts)


def _wheel(y: float, radius: float, texture: int) -> Soup:
    """Ring of rods of ``radius`` in the y-z plane, 0.6 m high."""
    angle = np.linspace(0, 2 * np.pi, 17)
    ring = np.stack([0 * angle, y + 0.3 * np.cos(angle), 0.3 + 0.3 * np.sin(angle)], 1)
    return join([shapes.rod(a, b, radius, texture) for a, b in pairwise(ring)])


def person(materials: Materials) -> Soup:
    """Somebody who walks along x."""
    rng = materials.rng
    high = rng.uniform(1.1, 1.9)
    coat, skin, legs = materials.texture(0.4), materials.texture(0.0), materials.texture(0.2)
    step = rng.uniform(0, 0.3)
    parts = []
    for y, x in ((-0.1, step), (0.1, -step)):
        parts.append(shapes.rod((x, y, 0), (0, y, 0.5 * high), 0.08, legs))
        parts.append(shapes.rod((-x, 2.4 * y, 0.45 * high), (0, 2 * y, 0.8 * high), 0.05, coat))
    body = shapes.superquadric((0.28, 0.46, 0.4 * high), (0.6, 0.7), coat)
    head = shapes.superquadric((0.2, 0.18, 0.25), (0.9, 0.9), skin)
    return join([*parts, body.shifted((0, 0, 0.45 * high)), head.shifted((0, 0, 0.85 * high))])
