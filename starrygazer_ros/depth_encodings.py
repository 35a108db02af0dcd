"""Encodings of depth images (REP 118): metres, or whole millimetres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

METRES, MILLIMETRES = DEPTH_ENCODINGS = ("32FC1", "16UC1")
MILLIMETRE = np.float32(0.001)


def encode_depth(
    depth: NDArray[np.float32], encoding: str
) -> NDArray[np.float32] | NDArray[np.uint16]:
    """Pixels of a depth image.

    Args:
        depth: float32 [H, W] metres, NaN = unknown.
        encoding: ``32FC1`` (metres, NaN = unknown) or ``16UC1`` (millimetres, 0 = unknown or
            beyond 65.535 m).
    """
    if encoding == METRES:
        return depth
    millimetres = np.rint(depth * np.float32(1000))
    fits = millimetres <= np.iinfo(np.uint16).max  # False for NaN
    return np.where(fits, millimetres, 0).astype(np.uint16)
