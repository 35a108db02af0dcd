"""Two axes with lines, dots and words over them, drawn with OpenCV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Colour = tuple[int, int, int]

INK, PAPER, GRID, GRAPHITE = (40, 40, 40), (255, 255, 255), (222, 222, 222), (128, 128, 128)
# The first is ours, beside others.
BLUE, ORANGE, GREEN, RED = (31, 119, 180), (227, 119, 34), (44, 160, 44), (200, 40, 50)
_FONT, _TEXT_SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.45


@dataclass(frozen=True)
class Axis:
    """What lies along a side of a panel.

    Attributes:
        start: value at the left or lower end.
        end: value at the other end; may be the smaller one.
        ticks: values with what is written there.
        logarithmic: all values are above 0, and equal factors take equal space.
    """

    start: float
    end: float
    ticks: Mapping[float, str]
    logarithmic: bool = False

    def along(self, values: ArrayLike) -> NDArray[np.float64]:
        """Where values lie: 0 at the start, 1 at the end."""
        scale = np.log if self.logarithmic else np.asarray
        start, end = scale(np.float64(self.start)), scale(np.float64(self.end))
        return np.asarray((scale(np.asarray(values, np.float64)) - start) / (end - start))


def linear(values: Sequence[float]) -> Axis:
    """Round steps from below the values to above them."""
    least, most = min(values), max(values)
    extent = most - least or 1.0
    power = 10.0 ** np.floor(np.log10(extent / 3))
    step = max(power * m for m in (1, 2, 5) if power * m <= extent / 3)
    first, last = np.floor(least / step + 1e-9), np.ceil(most / step - 1e-9)
    last = max(last, first + 1)
    ticks = {float(n * step): f"{n * step:.6g}" for n in np.arange(first, last + 1)}
    return Axis(float(first * step), float(last * step), ticks)


def logarithmic(values: Sequence[float], mantissas: Sequence[float] = (1, 2, 5)) -> Axis:
    """Mantissas times powers of ten, from below the values to above them."""
    decades = range(
        int(np.floor(np.log10(min(values)))) - 1, int(np.floor(np.log10(max(values)))) + 2
    )
    steps = [m * 10.0**decade for decade in decades for m in mantissas]
    start = max(step for step in steps if step <= min(values) * (1 + 1e-9))
    end = min(step for step in steps if step > max(values) * (1 + 1e-9))
    ticks = {step: short(step) for step in steps if start <= step <= end}
    return Axis(start, end, ticks, logarithmic=True)


def short(number: float) -> str:
    """Few characters, with k and M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.0f}{name}"
    return f"{number:g}"


@dataclass(frozen=True)
class Panel:
    """A picture with axes.

    Attributes:
        width: of the picture in pixels.
        height: of the picture in pixels.
        x: to the right.
        y: upwards.
        left: pixels left of the axes.
        top: pixels above them.
        right: pixels right of them.
        bottom: pixels below them.
        picture: uint8 [H, W, 3] RGB, with the grid to begin with.
    """

    width: int
    height: int
    x: Axis
    y: Axis
    left: int = 64
    top: int = 40
    right: int = 20
    bottom: int = 64
    picture: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        picture = np.full((self.height, self.width, 3), PAPER, np.uint8)
        object.__setattr__(self, "picture", picture)
        for value, text in self.x.ticks.items():
            ends = self.place([value, value], [self.y.start, self.y.end])
            cv2.line(picture, ends[0].tolist(), ends[1].tolist(), GRID, 1)
            below = self.height - self.bottom + 22
            self.write(text, (int(ends[0, 0]) - text_size(text)[0] // 2, below))
        for value, text in self.y.ticks.items():
            ends = self.place([self.x.start, self.x.end], [value, value])
            cv2.line(picture, ends[0].tolist(), ends[1].tolist(), GRID, 1)
            self.write(text, (self.left - 8 - text_size(text)[0], int(ends[0, 1]) + 4))

    def place(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.int32]:
        """Pixels [N, 2] (u, v) of values [N]."""
        u = self.left + self.x.along(x) * (self.width - self.left - self.right)
        v = self.height - self.bottom - self.y.along(y) * (self.height - self.top - self.bottom)
        return np.asarray(np.stack([u, v], axis=-1).round(), np.int32)

    def line(self, x: ArrayLike, y: ArrayLike, colour: Colour, thickness: int = 2) -> None:
        """Straight from value to value."""
        cv2.polylines(self.picture, [self.place(x, y)], False, colour, thickness, cv2.LINE_AA)

    def dots(self, x: ArrayLike, y: ArrayLike, colour: Colour, radius: int = 4) -> None:
        """One at each value."""
        for place in self.place(x, y):
            cv2.circle(self.picture, place.tolist(), radius, colour, -1, cv2.LINE_AA)

    def write(self, text: str, place: tuple[int, int]) -> None:
        """Words that begin at a pixel (u, v), above it."""
        write(self.picture, text, place)

    def key(self, text: str, place: tuple[int, int], colour: Colour) -> None:
        """What a colour stands for, at a pixel (u, v)."""
        u, v = place
        cv2.line(self.picture, (u, v - 4), (u + 22, v - 4), colour, 2, cv2.LINE_AA)
        self.write(text, (u + 30, v))


def write(
    picture: NDArray[np.uint8], text: str, place: tuple[int, int], size: float = _TEXT_SIZE
) -> None:
    """Words on a picture that begin at a pixel (u, v), above it."""
    cv2.putText(picture, text, place, _FONT, size, INK, 1, cv2.LINE_AA)


def text_size(text: str) -> tuple[int, int]:
    """Width and height above the line of words of the usual size, in pixels."""
    (width, height), _ = cv2.getTextSize(text, _FONT, _TEXT_SIZE, 1)
    return width, height
