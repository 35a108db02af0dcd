"""Who is the most accurate within a budget of time."""

from __future__ import annotations

import json

import pytest

from benchmarks.frontier import main, points


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
    def frontier_of(cases):
        path = tmp_path / "scores.json"
        path.write_text(json.dumps({"cases": cases}))
        return main([str(path)]), capsys.readouterr().out

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
