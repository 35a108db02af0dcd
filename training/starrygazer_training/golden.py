"""The drawn scene that graphs are checked with and whose depth is a bundle's golden output."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

GOLDEN_SIZE = (120, 160)


def golden_input() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A drawn scene, free of any licence: a textured floor, a wall and two boxes."""
    rows, columns = GOLDEN_SIZE
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
    depth = np.minimum(6.0, 90.0 / np.maximum(v - 40.0, 1.0)).astype(np.float32)
    colour = np.dstack([120 + 60 * np.sin(u / 7), 110 + 50 * np.sin(v / 5), 140 - v / 2])
    for top, left, bottom, right, z, tint in (
        (50, 20, 95, 60, 2.2, 60),
        (30, 95, 80, 130, 3.4, 200),
    ):
        depth[top:bottom, left:right] = z
        colour[top:bottom, left:right] = (tint, 255 - tint, 90)
    image = cv2.GaussianBlur(np.clip(colour, 0, 255).astype(np.uint8), (3, 3), 0)
    sparse = np.zeros_like(depth)
    sparse[10::12, 5::4] = depth[10::12, 5::4]
    return image, sparse


def moved_to(sparse: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Sparse depth [h, w] at the corresponding pixels of another size: [height, width]."""
    rows, columns = np.nonzero(sparse)
    moved = np.zeros((height, width), np.float32)
    to_row, to_column = rows * height // sparse.shape[0], columns * width // sparse.shape[1]
    moved[to_row, to_column] = sparse[rows, columns]
    return moved
