"""Axes of the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.axes import GRAPHITE, Axis, Panel, linear, logarithmic


@pytest.mark.parametrize(
    "values", [(0.0, 1.0), (-0.27, 0.013), (1.0, 1.0), (1.0, 473.0), (0, 1e-6)]
)
def test_a_linear_axis_holds_its_values_in_round_steps(values):
    axis = linear(values)
    assert axis.start <= min(values) + 1e-12
    assert axis.end >= max(values) - 1e-12
    assert 2 <= len(axis.ticks) <= 9
    assert len(set(axis.ticks.values())) == len(axis.ticks)


@pytest.mark.parametrize("values", [(1.0, 1.0), (3.0, 90.0), (0.02, 0.7), (1000.0, 2.1e6)])
def test_a_logarithmic_axis_holds_its_values(values):
    axis = logarithmic(values)
    along = axis.along(values)
    assert along.min() >= -1e-9
    assert along.max() < 1
    assert list(axis.along([axis.start, axis.end])) == [0, 1]


def test_equal_factors_take_equal_space():
    assert Axis(1, 100, {}, logarithmic=True).along(10) == pytest.approx(0.5)


def test_an_axis_may_run_to_smaller_values():
    np.testing.assert_allclose(Axis(0, -6, {}).along([0, -3, -6]), [0, 0.5, 1])


def test_dots_lie_at_their_values():
    panel = Panel(300, 200, Axis(0, 1, {}), Axis(0, 1, {}))
    panel.dots([0.25], [1.0], GRAPHITE, radius=3)
    rows, columns = np.nonzero((panel.picture == GRAPHITE).all(2))
    assert rows.mean() == pytest.approx(panel.top, abs=0.5)
    assert columns.mean() == pytest.approx(64 + 0.25 * (300 - 64 - 20), abs=0.5)
