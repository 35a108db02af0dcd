"""What goes wrong with image, sparse depth and time by stated amounts; the seed decides all chance.

Beside :mod:`benchmarks.sampling`, which has the other faults of the sparse depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.completion.cameras import Camera
from starrygazer_ros.completion.geometry import back_project
from starrygazer_ros.completion.projection import project

GAMMA = 2.2  # between light and grey value
READ_NOISE = 2.0  # grey values, standard deviation; what hides in the dark of a short exposure
HALVES = ("left", "right", "top")


@dataclass(frozen=True)
class EgoMotion:
    """How a camera moves while it waits for the other sensor, evenly.

    Attributes:
        forward: along the optical axis, m/s.
        turn: to the right about the vertical axis of the image, rad/s.
    """

    forward: float
    turn: float


def desynchronised(
    sparse: NDArray[np.float32], camera: Intrinsics, motion: EgoMotion, seconds: float
) -> NDArray[np.float32]:
    """What the depth sensor measures this much later than the image, used as if it were then.

    The scene stands still. What only then comes into view was never seen, so it stays empty.

    Args:
        sparse: float32 [H, W] metres at the moment of the image, 0 = none.
        camera: of the image.
        motion: of camera and depth sensor together.
        seconds: from the image to the measurement.
    """
    angle = motion.turn * seconds
    later_from_now = np.eye(4)
    later_from_now[:3, :3] = [
        [np.cos(angle), 0, -np.sin(angle)],
        [0, 1, 0],
        [np.sin(angle), 0, np.cos(angle)],
    ]
    later_from_now[:3, 3] = later_from_now[:3, :3] @ [0, 0, -motion.forward * seconds]
    points = back_project(sparse, camera)[sparse > 0]
    return project(points, Camera(camera), later_from_now, filter_occluded=False).depth


def half_missing(sparse: NDArray[np.float32], half: str) -> NDArray[np.float32]:
    """Remove all points of one half of the image.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        half: ``left``, ``right`` or ``top``.

    Raises:
        ValueError: there is no such half.
    """
    if half not in HALVES:
        raise ValueError(f"half is one of {', '.join(HALVES)}, got '{half}'")
    height, width = sparse.shape
    faulty = sparse.copy()
    rows = slice(0, height // 2) if half == "top" else slice(None)
    columns = {"left": slice(0, width // 2), "right": slice(width // 2, None)}.get(
        half, slice(None)
    )
    faulty[rows, columns] = 0
    return faulty


def exposed(image: NDArray[np.uint8], stops: float, seed: int) -> NDArray[np.uint8]:
    """Expose longer (stops > 0) or shorter (< 0), in linear light: half of it per stop.

    What is too bright is white, and every exposure other than the camera's own has read noise of
    ``READ_NOISE`` grey values, so that a dark image cannot simply be scaled back.

    Args:
        image: uint8 [H, W, 3] RGB.
        stops: base-2 logarithm of the exposure; 0 leaves the image as it is.
        seed: of the noise.
    """
    if stops == 0:
        return image
    light = (np.arange(256) / 255.0) ** GAMMA * 2.0**stops
    grey = 255 * np.minimum(light, 1) ** (1 / GAMMA)
    noise = np.random.default_rng(seed).normal(0, READ_NOISE, image.shape)
    return np.clip(np.rint(grey[image] + noise), 0, 255).astype(np.uint8)


def blurred(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Blur as out of focus, by a Gaussian.

    Args:
        image: uint8 [H, W, 3] RGB.
        sigma: standard deviation in pixels; 0 leaves the image as it is.
    """
    return image if sigma == 0 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
