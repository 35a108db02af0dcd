"""Random scenes: which kind, and whether the view is worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from starrygazer_training.scenes.heap import heap
from starrygazer_training.scenes.lens import through_a_lens
from starrygazer_training.scenes.materials import Materials
from starrygazer_training.scenes.rendering import Scene, render
from starrygazer_training.scenes.room import room
from starrygazer_training.scenes.soup import Array
from starrygazer_training.scenes.street import street
from starrygazer_training.scenes.texturing import Image

LEAST_KNOWN = 0.3  # share of the picture that must not be sky
NEAREST = 0.15  # metres
LEAST_RANGE = 1.15  # far / near of a picture that is not just one flat thing
STEP = 1.05  # far / near of two neighbouring pixels on both sides of an edge
LEAST_EDGES = 0.003  # share of the pixels that lie at one


@dataclass(frozen=True)
class Kind:
    """A kind of scene.

    Attributes:
        share: of all scenes.
        build: makes one.
    """

    share: float
    build: Callable[[Materials], Scene]


KINDS = {"room": Kind(0.5, room), "street": Kind(0.25, street), "heap": Kind(0.25, heap)}


def random_scene(rng: np.random.Generator, photographs: Sequence[Image]) -> tuple[Image, Array]:
    """Render one random scene.

    Args:
        rng: the same state gives the same scene.
        photographs: uint8 [h, w, 3] RGB, used as textures and skies.

    Returns:
        image uint8 [288, 384, 3] RGB, depth float32 [288, 384] metres, 0 = sky. A view that shows
        next to nothing is drawn again.
    """
    while True:
        name = rng.choice(list(KINDS), p=[kind.share for kind in KINDS.values()])
        image, depth = render(KINDS[name].build(Materials(rng, photographs)))
        if shows_something(depth):
            return through_a_lens(image, rng), depth


def shows_something(depth: Array) -> bool:
    """Whether a view [H, W] (metres, 0 = sky) has objects and is neither sky nor inside one."""
    known = depth > 0
    if known.mean() < LEAST_KNOWN:
        return False
    near, far = np.quantile(depth[known], (0.02, 0.98))
    log_depth = np.log(np.where(known, depth, far))
    edges = (np.abs(np.diff(log_depth, axis=1)) > np.log(STEP)).mean()
    return bool(near > NEAREST and far / near > LEAST_RANGE and edges > LEAST_EDGES)
