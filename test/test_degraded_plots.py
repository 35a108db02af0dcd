"""Pictures of what becomes of a depth when an input degrades."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
from benchmarks import degraded
from benchmarks.axes import BLUE, ORANGE
from benchmarks.degraded import FAULTS, Degraded
from benchmarks.plots import plot_fault, write_degraded_plots


def row(case, fault, amount, rmse=1.0, confidence=0.0, warned=0.0):
    return Degraded(case, fault, amount, rmse, confidence, np.nan, 0.0, warned, ())


def every_row():
    for case in ("indoors", "outdoors"):
        yield row(case, "", "")
        for fault in FAULTS:
            for i, amount in enumerate(fault.amounts):
                yield row(case, fault.name, amount, 1 + 0.1 * i, -0.02 * i, min(1, 0.3 * i))


def columns_of(picture, colour):
    """Of the axes of the first panel, without the key below."""
    return np.flatnonzero((picture[56:340, 64:440] == colour).all(2).any(0))


def test_every_fault_has_a_picture_of_three_panels(tmp_path):
    write_degraded_plots(list(every_row()), tmp_path / "new" / "plots")
    pictures = {path.stem: cv2.imread(str(path)) for path in (tmp_path / "new/plots").iterdir()}
    assert len(pictures) == len(FAULTS)
    assert {"outliers_share", "half_of_the_points_missing", "dark_stops"} < set(pictures)
    assert {picture.shape for picture in pictures.values()} == {(440, 3 * 440, 3)}


def test_a_case_is_a_curve_over_numbers_and_dots_over_words():
    numbers = [row("indoors", "dark", amount, 1 - amount) for amount in (-1, -4)]
    words = [row("indoors", "missing", amount, 1.5) for amount in ("left", "right")]
    curve, dots = (columns_of(plot_fault("", rows), BLUE) for rows in (numbers, words))
    assert np.diff(curve).max() == 1
    assert np.diff(dots).max() > 50


def test_cases_that_are_equal_are_both_seen():
    rows = [row(case, "missing", "left") for case in ("indoors", "outdoors")]
    picture = plot_fault("missing", rows)
    for colour in (BLUE, ORANGE):
        assert len(columns_of(picture, colour)) > 2


def test_a_fault_that_changes_nothing_is_drawn():
    assert plot_fault("none", [row("indoors", "none", 0.0)]).shape == (440, 3 * 440, 3)


def test_the_command_draws_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(degraded, "cases", lambda data: [])
    monkeypatch.setattr(degraded, "CASES", {})
    monkeypatch.setattr(degraded.DepthCompleter, "from_bundle", lambda *_, **__: None)
    drawn = []
    monkeypatch.setattr(degraded, "write_degraded_plots", lambda *call: drawn.append(call))
    arguments = ["--json", str(tmp_path / "rows.json"), "--plots", str(tmp_path / "plots")]
    assert degraded.main(arguments) == 0
    assert json.loads((tmp_path / "rows.json").read_text()) == []
    assert drawn == [([], tmp_path / "plots")]
