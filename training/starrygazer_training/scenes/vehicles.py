"""Cars; builders as in :mod:`starrygazer_training.scenes.things`."""

from __future__ import annotations

import numpy as np

from starrygazer_training.scenes import shapes
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.soup import Soup, join


def car(materials: Materials) -> Soup:
    """Body, cabin and wheels, or a van; it drives along x."""
    rng = materials.rng
    long, wide = rng.uniform(3.6, 5), rng.uniform(1.6, 1.9)
    paint, glass, rubber = materials.texture(0.1), materials.texture(0.1), materials.texture(0.0)
    van = rng.random() < 0.2
    high = rng.uniform(1.4, 2.2) if van else rng.uniform(0.6, 0.8)
    body = shapes.superquadric((long, wide, high), (0.3, 0.2), paint, 2)
    parts = [body.shifted((0, 0, 0.22))]
    if not van:
        size = (long * rng.uniform(0.45, 0.7), wide * 0.86, 0.75)
        cabin = shapes.superquadric(size, (0.5, 0.25), glass, 2)
        parts.append(cabin.shifted((-long * rng.uniform(0, 0.12), 0, 0.22 + high * 0.75)))
    wheel = shapes.cylinder(0.32, 0.2, rubber).turned(np.pi / 2, 0).shifted((0, 0.1, 0))
    for i in (-1, 1):
        for j in (-1, 1):
            parts.append(wheel.shifted((i * long * 0.31, j * (wide / 2 - 0.1), 0.32)))
    return join(parts)
