"""Curves of sparsification and of degraded inputs as pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.axes import BLUE, GREEN, ORANGE, RED, Axis, Colour, Panel, linear, write
from benchmarks.evaluation import OURS
from benchmarks.outcomes import Outcome
from benchmarks.sparsification import REMOVED, Sparsification
from starrygazer_ros.files import write_image

if TYPE_CHECKING:
    from benchmarks.degraded import Degraded  # which draws with this module

_WIDTH, _HEIGHT = 640, 440
_FAULT_WIDTH = 440
_CONFIDENCE, _DISTANCE, _ORACLE = BLUE, ORANGE, GREEN
_OF_CASES = (BLUE, ORANGE, GREEN, RED)


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
    return _side_by_side(title, panels)


def _side_by_side(title: str, panels: Sequence[Panel]) -> NDArray[np.uint8]:
    picture = np.hstack([panel.picture for panel in panels])
    write(picture, title, (panels[0].left, 22), 0.55)
    return picture


def _panel(name: str, curves: dict[str, tuple[NDArray[np.float64], Colour]]) -> Panel:
    fifths = [step / 5 for step in range(6)]
    top = max(1.0, *(float(curve.max()) for curve, _ in curves.values()))
    panel = Panel(
        _WIDTH,
        _HEIGHT,
        Axis(0.0, 1.0, {step: f"{step:.0%}" for step in fifths}),
        Axis(0.0, top, {step: f"{step:.1f}" for step in fifths}),
        top=56,
        bottom=96,
    )
    below = _HEIGHT - panel.bottom
    for curve, colour in curves.values():
        panel.line(REMOVED, curve, colour)
    panel.write(name, (panel.left, panel.top - 10))
    panel.write("least reliable pixels taken away", (panel.left, below + 38))
    for i, (label, (_, colour)) in enumerate(curves.items()):
        panel.key(label, (panel.left + (i % 2) * 300, below + 60 + (i // 2) * 20), colour)
    return panel


def write_degraded_plots(rows: Sequence[Degraded], folder: Path) -> None:
    """One PNG per fault: what becomes of error, confidence and warnings with its amount.

    Args:
        rows: of all cases and faults; those without a fault are not drawn.
        folder: made if it is missing.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for fault in dict.fromkeys(row.fault for row in rows if row.fault):
        name = re.sub(r"\W+", "_", fault)
        picture = plot_fault(fault, [row for row in rows if row.fault == fault])
        write_image(folder / f"{name}.png", picture)


def plot_fault(fault: str, rows: Sequence[Degraded]) -> NDArray[np.uint8]:
    """Curves of one fault, one per case.

    Args:
        fault: printed above.
        rows: of this fault, at least one.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    panels = [
        _fault_panel("RMSE over that without the fault", rows, lambda row: row.rmse, 1.0),
        _fault_panel("confidence, difference", rows, lambda row: row.confidence, 0.0),
        _fault_panel("share of the frames warned of", rows, lambda row: row.warned, 0.0, 1.0),
    ]
    return _side_by_side(fault, panels)


def _fault_panel(
    name: str, rows: Sequence[Degraded], figure: Callable[[Degraded], float], *shown: float
) -> Panel:
    """A figure over the amount; some values are shown whether or not there is a figure of them."""
    cases = list(dict.fromkeys(row.case for row in rows))
    x, places = _amounts(list(dict.fromkeys(row.amount for row in rows)))
    y = linear([*shown, *map(figure, rows)])
    panel = Panel(_FAULT_WIDTH, _HEIGHT, x, y, top=56, bottom=60 + 20 * len(cases))
    below = _HEIGHT - panel.bottom
    panel.write(name, (panel.left, panel.top - 13))
    # The first are larger, and so seen where later ones lie on them.
    for i, case in enumerate(cases):
        of_case = [row for row in rows if row.case == case]
        at, values = [places[row.amount] for row in of_case], [figure(row) for row in of_case]
        colour, hidden = _OF_CASES[i % len(_OF_CASES)], len(cases) - 1 - i
        if not any(isinstance(row.amount, str) for row in of_case):  # words have no order
            panel.line(at, values, colour, 2 + 2 * hidden)
        panel.dots(at, values, colour, 3 + 2 * hidden)
        panel.key(case, (panel.left, below + 44 + 20 * i), colour)
    return panel


def _amounts(amounts: Sequence[float | str]) -> tuple[Axis, dict[float | str, float]]:
    """The axis, and where the amounts lie along it: the larger, in either direction, the farther.

    Words stand side by side.
    """
    if any(isinstance(amount, str) for amount in amounts):
        places = {amount: float(i) for i, amount in enumerate(amounts)}
        return Axis(-0.5, len(amounts) - 0.5, {i: str(a) for a, i in places.items()}), places
    places = {amount: float(amount) for amount in amounts}
    farthest = max(places.values(), key=abs) or 1.0
    return Axis(0.0, farthest, {at: f"{at:g}" for at in places.values()}), places
