"""Curves of one quantity over another on logarithmic axes, drawn with OpenCV."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT, _MARGIN = 560, 420, 64  # pixels of one panel
_INK, _PAPER, _LINE, _GRID = (40, 40, 40), (255, 255, 255), (31, 119, 180), (222, 222, 222)
_FONT, _TEXT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.45


@dataclass(frozen=True)
class Curve:
    """A quantity at several places.

    Attributes:
        over: what it is drawn over.
        points: place and value, all above 0, at least two.
    """

    over: str
    points: list[tuple[float, float]]

    @property
    def exponent(self) -> float:
        """Power of the place with which the value grows: slope of the line through logarithms."""
        places, values = np.log(np.array(self.points)).T
        return float(np.polyfit(places, values, 1)[0])


def draw(curves: list[Curve], quantity: str) -> NDArray[np.uint8]:
    """One panel per curve, side by side, uint8 [H, W, 3] RGB."""
    return np.hstack([_panel(curve, quantity) for curve in curves])


def _panel(curve: Curve, quantity: str) -> NDArray[np.uint8]:
    panel = np.full((_HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    logarithms = np.log10(np.array(curve.points))
    low, high = np.floor(logarithms.min(0)), np.ceil(logarithms.max(0) + 1e-9)
    right, bottom = _WIDTH - 20, _HEIGHT - _MARGIN

    def pixel(place: float, value: float) -> tuple[int, int]:
        x, y = (np.array([place, value]) - low) / (high - low)
        return round(_MARGIN + x * (right - _MARGIN)), round(bottom - y * (bottom - 40))

    for decade in np.arange(low[0], high[0] + 1):
        x, _ = pixel(decade, low[1])
        cv2.line(panel, (x, 40), (x, bottom), _GRID, 1)
        _write(panel, _short(10**decade), (x - 14, bottom + 18))
    for decade in np.arange(low[1], high[1] + 1):
        _, y = pixel(low[0], decade)
        cv2.line(panel, (_MARGIN, y), (right, y), _GRID, 1)
        _write(panel, _short(10**decade), (16, y + 4))
    places = np.array([pixel(*point) for point in logarithms], np.int32)
    cv2.polylines(panel, [places], False, _LINE, 2, cv2.LINE_AA)
    for place in places:
        cv2.circle(panel, place.tolist(), 4, _LINE, -1, cv2.LINE_AA)
    _write(panel, f"{quantity} over {curve.over}: power {curve.exponent:.2f}", (_MARGIN, 24))
    return panel


def _short(number: float) -> str:
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.0f}{name}"
    return f"{number:g}"


def _write(panel: NDArray[np.uint8], text: str, place: tuple[int, int]) -> None:
    cv2.putText(panel, text, place, _FONT, _TEXT_SIZE, _INK, 1, cv2.LINE_AA)
