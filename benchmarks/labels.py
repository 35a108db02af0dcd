"""Names beside dots that cover neither each other nor what is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.axes import INK, Panel, text_size

_GAP = 9  # pixels between a dot's middle and its name
_FARTHEST = 120  # pixels
_DIRECTIONS = ((1, 0), (1, -1), (1, 1), (-1, 0), (-1, -1), (-1, 1), (0, -1), (0, 1))

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def write_labels(
    panel: Panel, names: Sequence[str], dots: NDArray[np.int32], taken: NDArray[np.bool_]
) -> list[Box]:
    """Write each name where there is room, joined to its dot by a line where that is not beside it.

    Args:
        panel: to write on.
        names: [N]; the first choose first.
        dots: [N, 2] their pixels (u, v).
        taken: bool [H, W], where no name may be.

    Returns:
        Where the names are.
    """
    taken = taken.copy()
    axes = np.ones_like(taken)
    inside = np.s_[panel.top : panel.height - panel.bottom, panel.left : panel.width - panel.right]
    axes[inside] = False
    taken |= axes
    boxes = []
    for name, dot in zip(names, dots.tolist(), strict=True):
        boxes.append(_place(name, dot, taken))
        left, top, right, bottom = boxes[-1]
        taken[top:bottom, left:right] = True
        end = (int(np.clip(dot[0], left, right)), int(np.clip(dot[1], top, bottom)))
        if np.hypot(end[0] - dot[0], end[1] - dot[1]) > 2 * _GAP:
            cv2.line(panel.picture, dot, end, INK, 1, cv2.LINE_AA)
        panel.write(name, (left + 2, bottom - 4))
    return boxes


def _place(name: str, dot: Sequence[int], taken: NDArray[np.bool_]) -> Box:
    """The nearest room; the first place of all if there is none."""
    boxes = list(_boxes(name, dot))
    height, width = taken.shape
    for left, top, right, bottom in boxes:
        within = left >= 0 and top >= 0 and right <= width and bottom <= height
        if within and not taken[top:bottom, left:right].any():
            return left, top, right, bottom
    return boxes[0]


def _boxes(name: str, dot: Sequence[int]) -> Iterator[Box]:
    width, height = text_size(name)
    width, height = width + 4, height + 7  # with what hangs below the line
    for distance in range(_GAP, _FARTHEST, 4):
        for across, down in _DIRECTIONS:
            left = dot[0] + across * distance - (0, width // 2, width)[1 - across]
            top = dot[1] + down * distance - (0, height // 2, height)[1 - down]
            yield left, top, left + width, top + height
