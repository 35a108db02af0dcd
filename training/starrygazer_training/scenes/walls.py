"""Walls of rooms and what hangs on them.

A wall lies in the y-z plane around the z axis, stands on z = 0, and is seen from -x.
"""

from __future__ import annotations

import numpy as np

from starrygazer_training.scenes import shapes
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.soup import Soup, join


def wall(materials: Materials, half: float, high: float, paint: int) -> Soup:
    """Wall with pictures, door or window, curtains.

    Args:
        materials: of the scene.
        half: metres from the middle to either end.
        high: metres.
        paint: texture that most walls of a room share.
    """
    rng = materials.rng
    own = paint if rng.random() < 0.7 else materials.texture(0.25)
    corners = [(0, -half, high), (0, half, high), (0, half, 0), (0, -half, 0)]
    parts = [shapes.quad(corners, own, rng.uniform(0.8, 3))]
    if rng.random() < 0.6:
        skirting = shapes.box((0.03, 2 * half, 0.1), materials.texture(0.0))
        parts.append(skirting.shifted((-0.015, 0, 0)))
    for _ in range(int(rng.integers(0, 6))):
        parts.append(_picture(materials, half, high))
    if rng.random() < 0.5:
        parts.append(_opening(materials, half, high))
    if rng.random() < 0.25:
        y = rng.uniform(-half, half)
        column = shapes.box((rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.8), high), own)
        parts.append(column.shifted((0, y, 0)))
    return join(parts)


def _picture(materials: Materials, half: float, high: float) -> Soup:
    """A poster, a frame or a box on the wall."""
    rng = materials.rng
    wide, tall = rng.uniform(0.2, 1.4), rng.uniform(0.2, 1.1)
    y, z = rng.uniform(-half, half), rng.uniform(0.7, high - 0.3)
    thick = float(rng.choice([0.004, 0.03, 0.08]))
    board = shapes.box((thick, wide, tall), materials.texture(0.6), max(wide, tall))
    return board.shifted((-thick / 2, y, z - tall / 2))


def _opening(materials: Materials, half: float, high: float) -> Soup:
    """Door or window: a frame around something else, at times with curtains."""
    rng = materials.rng
    wide, tall, low = rng.uniform(0.8, 1.8), rng.uniform(1.0, 2.1), float(rng.choice([0.0, 0.9]))
    tall = min(tall, high - low - 0.1)
    y, frame = rng.uniform(-half, half) * 0.8, materials.texture(0.05)
    left, right, top = y - wide / 2, y + wide / 2, low + tall
    x = -0.005  # before the wall
    pane = [(x, left, top), (x, right, top), (x, right, low), (x, left, low)]
    post, beam = shapes.box((0.08, 0.06, tall), frame), shapes.box((0.1, wide, 0.06), frame)
    parts = [
        shapes.quad(pane, materials.texture(0.6), wide),
        *(post.shifted((-0.04, at, low)) for at in (left, y, right)),
        beam.shifted((-0.05, y, top)),
    ]
    if rng.random() < 0.4:
        for side in (-1, 1):
            folds = rng.uniform(0.02, 0.08)
            curtain = shapes.cloth(wide * 0.5, high * 0.9, folds, materials.texture(0.4), rng)
            parts.append(curtain.turned(np.pi / 2).shifted((-0.15, y + side * wide * 0.6, 0)))
    return join(parts)
