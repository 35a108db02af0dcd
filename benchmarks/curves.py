"""Curves of one quantity over another on logarithmic axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.axes import BLUE, Panel, logarithmic

_WIDTH, _HEIGHT = 560, 420  # pixels of one panel


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
    places, values = zip(*curve.points, strict=True)
    x, y = logarithmic(places, mantissas=(1,)), logarithmic(values, mantissas=(1,))
    panel = Panel(_WIDTH, _HEIGHT, x, y)
    panel.line(places, values, BLUE)
    panel.dots(places, values, BLUE)
    title = f"{quantity} over {curve.over}: power {curve.exponent:.2f}"
    panel.write(title, (panel.left, 24))
    return panel.picture
