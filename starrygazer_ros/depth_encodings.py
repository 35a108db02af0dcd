"""Encodings of depth images (REP 118): metres, or whole millimetres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

METRES, MILLIMETRES = DEPTH_ENCODINGS = ("32FC1", "16UC1")
SATURATED = np.iinfo(np.uint16).max  # sensors say so of what they cannot measure


def encode_depth(
    depth: NDArray[np.float32], encoding: str
) -> NDArray[np.float32] | NDArray[np.uint16]:
    """Pixels of a depth image.

    Args:
        depth: float32 [H, W] metres, NaN = unknown.
        encoding: ``32FC1`` (metres, NaN = unknown) or ``16UC1`` (millimetres, 0 = unknown or
            beyond 65.534 m).
    """
    if encoding == METRES:
        return depth
    millimetres = np.rint(depth * np.float32(1000))
    fits = millimetres < SATURATED  # False for NaN
    return np.where(fits, millimetres, 0).astype(np.uint16)


def decode_steps(steps: NDArray[np.uint16], per_metre: float = 1000.0) -> NDArray[np.float32]:
    """Metres of depth in whole steps, such as millimetres.

    Args:
        steps: uint16 [H, W]; 0 and ``SATURATED`` = none.
        per_metre: how many steps are a metre.

    Returns:
        float32 [H, W], 0 = none.
    """
    metres = np.multiply(steps, np.float32(1 / per_metre), dtype=np.float32)
    metres[steps == SATURATED] = 0
    return metres
