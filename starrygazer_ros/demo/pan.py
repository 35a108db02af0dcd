"""What the demo shows: a window that pans over a real photograph with real depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.demo.photographs import motorcycle
from starrygazer_ros.demo.scan_lines import scan_lines

WIDTH, HEIGHT = 640, 480
SCAN_LINES = 16


@dataclass(frozen=True)
class Frame:
    """One window.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
        true_depth: float32 [H, W] metres, 0 = unknown.
        intrinsics: of the window.
    """

    image: NDArray[np.uint8]
    sparse_depth: NDArray[np.float32]
    true_depth: NDArray[np.float32]
    intrinsics: Intrinsics


class Pan:
    """Windows that start and end at the photograph's middle and go once around it.

    Args:
        frames: number of windows.
    """

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._photograph = motorcycle()

    def frame(self, index: int) -> Frame:
        """Cut one window and sample its depth along LiDAR-like scan lines."""
        photograph = self._photograph
        camera = photograph.intrinsics
        left, top = self._corner(index)
        rows, columns = slice(top, top + HEIGHT), slice(left, left + WIDTH)
        intrinsics = Intrinsics(
            camera.fx, camera.fy, camera.cx - left, camera.cy - top, WIDTH, HEIGHT
        )
        depth = np.ascontiguousarray(photograph.depth[rows, columns])
        return Frame(
            image=np.ascontiguousarray(photograph.image[rows, columns]),
            sparse_depth=scan_lines(depth, SCAN_LINES, intrinsics),
            true_depth=depth,
            intrinsics=intrinsics,
        )

    def _corner(self, index: int) -> tuple[int, int]:
        height, width = self._photograph.depth.shape
        turn = 2 * np.pi * index / max(1, self.frames - 1)
        left = (width - WIDTH) / 2 * (1 + np.sin(turn))
        top = (height - HEIGHT) / 2 * (1 + np.sin(2 * turn))
        return round(left), round(top)
