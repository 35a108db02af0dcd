"""Which method is the most accurate within a budget of time.

From a JSON file of ``python -m benchmarks.accuracy``, whose methods are timed on the same frames in
the same run, each on one thread.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.axes import BLUE, GRAPHITE, GRID, PAPER, Colour, Panel, logarithmic
from benchmarks.evaluation import GREY, OURS
from benchmarks.labels import write_labels
from starrygazer_ros.files import write_image

SHORTEST_BUDGET = 5.0  # ms, of the criterion
_WIDTH, _HEIGHT = 820, 560


@dataclass(frozen=True)
class Point:
    """A method over all cases.

    Attributes:
        name: of the method, with the bundle that it needs.
        milliseconds: median over the cases.
        error: geometric mean of its RMSE over that of the best method of each case.
        ours: it is a bundle.
    """

    name: str
    milliseconds: float
    error: float
    ours: bool


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if another method is on the frontier at some budget of the criterion."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontier", description=__doc__)
    parser.add_argument("scores", type=Path, help="JSON file of benchmarks.accuracy")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw them all here (PNG)")
    options = parser.parse_args(arguments)
    scores = json.loads(options.scores.read_text(encoding="utf-8"))
    every = points(scores["cases"])
    best = frontier(every)
    print("| from ms per image | most accurate | RMSE over the best of each case |")
    print("|---|---|---|")
    for point in best:
        print(f"| {point.milliseconds:.0f} | {point.name} | {point.error:.3f} |")
    if options.plot:
        write_image(options.plot, draw(every))
    later = [p for p in best if p.milliseconds > SHORTEST_BUDGET]
    at_shortest = [p for p in best if p.milliseconds <= SHORTEST_BUDGET][-1:]
    met = all(p.ours for p in (*at_shortest, *later))
    print(f"{'met   ' if met else 'MISSED'}  ours at every budget from {SHORTEST_BUDGET:g} ms up")
    return 0 if met else 1


def points(cases: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Each method that is in every case; the grey image is a control, no method."""
    errors: dict[tuple[str, str | None], list[float]] = {}
    times: dict[tuple[str, str | None], list[float]] = {}
    for case in cases:
        rows = [row for row in case["rows"] if row["method"] != GREY]
        least = min(row["errors"]["rmse"] for row in rows)
        for row in rows:
            key = row["method"], row["bundle"]
            errors.setdefault(key, []).append(math.log(row["errors"]["rmse"] / least))
            times.setdefault(key, []).append(row["milliseconds"])
    return [
        Point(
            name=f"{method} [{bundle}]" if bundle else method,
            milliseconds=median(times[method, bundle]),
            error=math.exp(fmean(logarithms)),
            ours=method == OURS,
        )
        for (method, bundle), logarithms in errors.items()
        if len(logarithms) == len(cases)
    ]


def frontier(candidates: Sequence[Point]) -> list[Point]:
    """Those that no faster one beats, the fastest first."""
    best: list[Point] = []
    for point in sorted(candidates, key=lambda p: (p.milliseconds, p.error)):
        if not best or point.error < best[-1].error:
            best.append(point)
    return best


def draw(candidates: Sequence[Point]) -> NDArray[np.uint8]:
    """Error over time of every method, ours in colour, and the frontier; uint8 [H, W, 3] RGB."""
    best = frontier(candidates)
    # Who is on the frontier is labelled first, and so next to its dot.
    ordered = [*best, *(p for p in candidates if p not in best)]
    times, errors = [p.milliseconds for p in ordered], [p.error for p in ordered]
    panel = Panel(
        _WIDTH,
        _HEIGHT,
        logarithmic([SHORTEST_BUDGET, *times]),
        logarithmic([1.0, *errors], mantissas=(1, 1.2, 1.5, 2, 3, 5, 7)),
    )
    # Within a budget it is the last one that was done: a step, not a slope.
    ends = [*best[1:], replace(best[-1], milliseconds=panel.x.end)]
    for point, next_ in zip(best, ends, strict=True):
        x = [point.milliseconds, next_.milliseconds, next_.milliseconds]
        panel.line(x, [point.error, point.error, next_.error], _colour(point))
    for point in ordered:
        panel.dots([point.milliseconds], [point.error], _colour(point), radius=5)
    panel.write("RMSE over that of the best method of each case, geometric mean", (panel.left, 24))
    below = _HEIGHT - panel.bottom + 44
    panel.write("milliseconds per image", (panel.left, below))
    panel.key("the least error within that time", (panel.left + 200, below), GRAPHITE)
    panel.key("ours", (panel.left + 480, below), BLUE)
    drawn = (panel.picture != PAPER).any(2) & (panel.picture != GRID).any(2)
    write_labels(panel, [p.name for p in ordered], panel.place(times, errors), drawn)
    return panel.picture


def _colour(point: Point) -> Colour:
    return BLUE if point.ours else GRAPHITE


if __name__ == "__main__":
    sys.exit(main())
