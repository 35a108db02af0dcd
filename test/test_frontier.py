"""Who is the most accurate within a budget of time."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from benchmarks import frontier
from benchmarks.axes import BLUE, GRAPHITE
from benchmarks.frontier import Point, draw, main, points
from benchmarks.labels import write_labels


def row(method, bundle, rmse, milliseconds):
    return {
        "method": method,
        "bundle": bundle,
        "errors": {"rmse": rmse},
        "milliseconds": milliseconds,
    }


def case(nearest, ours, extra=()):
    return {"rows": [row("nearest", None, *nearest), row("ours", "default", *ours), *extra]}


@pytest.fixture
def frontier_of(tmp_path, capsys):
    def frontier_of(cases, *options):
        path = tmp_path / "scores.json"
        path.write_text(json.dumps({"cases": cases}))
        return main([str(path), *options]), capsys.readouterr().out

    return frontier_of


def test_errors_are_compared_case_by_case():
    found = points([case((4.0, 10), (2.0, 90)), case((0.3, 20), (0.1, 110))])
    by_name = {point.name: point for point in found}
    assert by_name["ours [default]"].error == pytest.approx(1)
    assert by_name["nearest"].error == pytest.approx((2 * 3) ** 0.5)
    assert by_name["nearest"].milliseconds == 15


def test_a_method_that_is_slower_and_worse_is_not_on_the_frontier(frontier_of):
    slow = row("barycentric", None, 3.0, 200)
    grey = row("grey image", "default", 0.1, 1)
    code, printed = frontier_of([case((4.0, 3), (2.0, 90), [slow, grey])])
    assert code == 1  # between 5 and 90 ms there is only nearest
    assert "barycentric" not in printed
    assert "grey" not in printed
    assert "| 3 | nearest | 2.000 |" in printed
    assert "| 90 | ours [default] | 1.000 |" in printed


def test_the_criterion_is_met_where_ours_is_best_from_five_milliseconds_on(frontier_of):
    code, printed = frontier_of([case((4.0, 9), (2.0, 4.9))])
    assert code == 0
    assert "met " in printed


def test_the_plot_shows_ours_in_colour_and_the_frontier_as_steps(frontier_of, tmp_path):
    plot = tmp_path / "frontier.png"
    frontier_of([case((4.0, 3), (2.0, 90))], "--plot", str(plot))
    picture = cv2.imread(str(plot))[:510, :, ::-1]  # without the key below
    ours, others = (np.argwhere((picture == colour).all(2)) for colour in (BLUE, GRAPHITE))
    assert len(ours) > 100
    assert others[:, 1].max() <= ours[:, 1].min() + 6  # nearest is the best until ours is done
    assert others[:, 0].min() < ours[:, 0].min()  # with the larger error, higher up


def test_no_name_of_the_plot_covers_another_or_a_dot(monkeypatch):
    boxes, taken = [], []

    def write(panel, names, dots, drawn):
        boxes.extend(write_labels(panel, names, dots, drawn))
        taken.append(drawn)
        return boxes

    monkeypatch.setattr(frontier, "write_labels", write)
    random = np.random.default_rng(0)
    crowd = [
        Point(f"affine robust [{i}]", 50 * 1.1**i, 1 + random.uniform(), i % 2 == 0)
        for i in range(14)
    ]
    draw(crowd)
    names = np.zeros(taken[0].shape, int)
    for left, top, right, bottom in boxes:
        names[top:bottom, left:right] += 1
    assert len(boxes) == len(crowd)
    assert names.max() == 1
    assert not taken[0][names > 0].any()
