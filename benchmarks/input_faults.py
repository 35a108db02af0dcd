"""Faults of image, sparse depth and time by amounts, as they reach a node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.degradations import (
    HALVES,
    EgoMotion,
    blurred,
    desynchronised,
    exposed,
    half_missing,
)
from benchmarks.sampling import misregistered, outliers
from benchmarks.scenes import Scene

RIGHT, DOWN = 0, 1  # seeds of misregistered

Image = NDArray[np.uint8]
Depth = NDArray[np.float32]


@dataclass(frozen=True)
class Inputs:
    """What a fault changes.

    Attributes:
        scene: where they are from.
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
        seed: of all chance.
        motion: of the robot.
        offset: between the stamps of image and sparse depth [s].
    """

    scene: Scene
    image: Image
    sparse_depth: Depth
    seed: int
    motion: EgoMotion
    offset: float = 0.0


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong by amounts.

    Attributes:
        name: with the unit of the amounts.
        amounts: the smallest first; words for what has no number.
        apply: gives the inputs with an amount of it.
    """

    name: str
    amounts: tuple[float | str, ...]
    apply: Callable[[Inputs, float | str], Inputs]


def _desynchronise(inputs: Inputs, seconds: float) -> Inputs:
    camera = inputs.scene.camera
    sparse_depth = desynchronised(inputs.sparse_depth, camera, inputs.motion, seconds)
    return replace(inputs, sparse_depth=sparse_depth, offset=seconds)


def _sparse(
    change: Callable[[Depth, float, int], Depth],
) -> Callable[[Inputs, float | str], Inputs]:
    return lambda inputs, amount: replace(
        inputs, sparse_depth=change(inputs.sparse_depth, float(amount), inputs.seed)
    )


def _image(change: Callable[[Image, float, int], Image]) -> Callable[[Inputs, float | str], Inputs]:
    return lambda inputs, amount: replace(
        inputs, image=change(inputs.image, float(amount), inputs.seed)
    )


def _misregistration(name: str, direction: int) -> Fault:
    """The same for all frames, as that of a wrong calibration is."""
    return Fault(
        f"misregistration {name}, pixels",
        (1, 2, 3, 4, 5),
        _sparse(lambda depth, pixels, _: misregistered(depth, int(pixels), direction)),
    )


FAULTS = (
    Fault("outliers, share", (0.02, 0.05, 0.1, 0.2, 0.3), _sparse(outliers)),
    _misregistration("to the right", RIGHT),
    _misregistration("down", DOWN),
    Fault(
        "desynchronisation, s",
        (0.01, 0.02, 0.03, 0.04, 0.05),
        lambda inputs, seconds: _desynchronise(inputs, float(seconds)),
    ),
    Fault(
        "half of the points missing",
        HALVES,
        lambda inputs, half: replace(
            inputs, sparse_depth=half_missing(inputs.sparse_depth, str(half))
        ),
    ),
    Fault("dark, stops", (-1, -2, -3, -4, -5, -6), _image(exposed)),
    Fault("overexposed, stops", (1, 2, 3, 4), _image(exposed)),
    Fault("blurred, pixels", (1, 2, 4, 8), _image(lambda image, sigma, _: blurred(image, sigma))),
)
