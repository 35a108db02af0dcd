"""Sparsification curves as pictures, drawn with OpenCV."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation import OURS
from benchmarks.outcomes import Outcome
from benchmarks.sparsification import REMOVED, Sparsification
from starrygazer_ros.files import write_image

_WIDTH, _HEIGHT = 640, 440
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 56, 20, 96  # margins around the axes, pixels
_INK, _GRID, _PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
_CONFIDENCE, _DISTANCE, _ORACLE = (31, 119, 180), (227, 119, 34), (44, 160, 44)

Colour = tuple[int, int, int]


def write_sparsification_plots(outcomes: list[Outcome], folder: Path) -> None:
    """One PNG per case and bundle, RMSE on the left, MAE on the right.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for outcome in outcomes:
        for method, row in outcome.rows.items():
            if method.name == OURS and row.sparsification and row.by_distance:
                title = f"{outcome.case} ({outcome.frames} frames), bundle {method.bundle}"
                name = re.sub(r"\W+", "_", f"{outcome.case} {method.bundle}")
                picture = plot(title, row.sparsification, row.by_distance)
                write_image(folder / f"{name}.png", picture)


def plot(title: str, confidence: Sparsification, distance: Sparsification) -> NDArray[np.uint8]:
    """Curves of one case.

    Args:
        title: printed above.
        confidence: in the order of the network's confidence.
        distance: in the order of the distance to the nearest sparse point.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    panels = []
    for kind in ("rmse", "mae"):
        curves: dict[str, tuple[NDArray[np.float64], Colour]] = {
            f"distance to a point, AUSE {getattr(distance, f'ause_{kind}'):.3f}": (
                getattr(distance, kind),
                _DISTANCE,
            ),
            f"confidence, AUSE {getattr(confidence, f'ause_{kind}'):.3f}": (
                getattr(confidence, kind),
                _CONFIDENCE,
            ),
            "oracle": (getattr(confidence, f"oracle_{kind}"), _ORACLE),
        }
        panels.append(_panel(f"{kind.upper()} of the rest / of all", curves))
    picture = np.hstack(panels)
    _write(picture, title, (_LEFT, 22), 0.55)
    return picture


def _panel(name: str, curves: dict[str, tuple[NDArray[np.float64], Colour]]) -> NDArray[np.uint8]:
    panel = np.full((_HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    top = max(1.0, *(float(curve.max()) for curve, _ in curves.values()))
    plot_width, plot_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int32]:
        u = _LEFT + x * plot_width
        v = _TOP + (1 - y / top) * plot_height
        return np.asarray(np.stack([u, v], axis=-1).round(), np.int32)

    for step in np.arange(0, 1.01, 0.2):
        vertical = place(np.array([step, step]), np.array([0.0, top]))
        cv2.line(panel, vertical[0].tolist(), vertical[1].tolist(), _GRID, 1)
        _write(panel, f"{step:.0%}", (int(vertical[0, 0]) - 12, _HEIGHT - _BOTTOM + 18), 0.42)
        horizontal = place(np.array([0.0, 1.0]), np.array([step, step]))
        cv2.line(panel, horizontal[0].tolist(), horizontal[1].tolist(), _GRID, 1)
        _write(panel, f"{step:.1f}", (_LEFT - 34, int(horizontal[0, 1]) + 5), 0.42)
    for curve, colour in curves.values():
        cv2.polylines(panel, [place(REMOVED, curve)], False, colour, 2, cv2.LINE_AA)
    _write(panel, name, (_LEFT, _TOP - 10), 0.48)
    _write(panel, "least reliable pixels taken away", (_LEFT, _HEIGHT - _BOTTOM + 38), 0.45)
    for i, (label, (_, colour)) in enumerate(curves.items()):
        u, v = _LEFT + (i % 2) * 300, _HEIGHT - _BOTTOM + 60 + (i // 2) * 20
        cv2.line(panel, (u, v - 4), (u + 22, v - 4), colour, 2, cv2.LINE_AA)
        _write(panel, label, (u + 30, v), 0.42)
    return panel


def _write(picture: NDArray[np.uint8], text: str, position: tuple[int, int], size: float) -> None:
    cv2.putText(picture, text, position, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
