"""What the table of degraded inputs says, and when its criteria are missed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")

from benchmarks.degraded import Degraded, criteria, degrade, summary
from benchmarks.input_faults import FAULTS
from benchmarks.protocols import cases
from starrygazer_ros.completion import DepthCompleter

DARK = "dark, stops"


def row(fault: str, amount: float | str, rmse: float = 1.0, warned: float = 0.0) -> Degraded:
    causes = ("dark_image",) if warned else ()
    return Degraded("indoors", fault, amount, rmse, -0.1, -0.25, 0.1, warned, causes)


def rows(*of_dark: Degraded, false: float = 0.0) -> list[Degraded]:
    """Nothing happens but what is given."""
    others = [
        row(fault.name, amount)
        for fault in FAULTS
        if fault.name != DARK
        for amount in fault.amounts
    ]
    return [row("", "", warned=false), *others, *of_dark]


def missed(of: list[Degraded]) -> list[str]:
    return [text for text, met in criteria(of) if not met]


def test_a_fault_that_is_wrong_without_a_warning_misses_its_criterion() -> None:
    early = [row(DARK, -1, 1.1), row(DARK, -2, 1.3, warned=0.6)]
    assert missed(rows(*early)) == []
    late = [row(DARK, -1, 1.3), row(DARK, -2, 1.4, warned=0.6)]
    (text,) = missed(rows(*late))
    assert text.endswith("silent at -1")


def test_warnings_without_a_fault_miss_theirs() -> None:
    (text,) = missed(rows(row(DARK, -1), false=0.1))
    assert "warns of 10% of the frames without a fault" in text


def test_the_table_says_from_which_amount_it_is_wrong_and_warned_of() -> None:
    dark = [row(DARK, -1), row(DARK, -2, 1.3), row(DARK, -3, 2.0, warned=1.0)]
    lines = summary(rows(*dark)).splitlines()
    assert len(lines) == 2 + len(FAULTS)
    (line,) = (line for line in lines if DARK in line)
    assert line == (
        "| dark, stops: -1, -2, -3 | indoors | 1.00, 1.30, 2.00 | -0.25, -0.25, -0.25 "
        "| -2 | -3 | dark_image |"
    )


@pytest.fixture(scope="module")
def motorcycle(tmp_path_factory: pytest.TempPathFactory) -> list[Degraded]:
    """The whole benchmark on the one frame that comes with scikit-image."""
    pytest.importorskip("skimage", reason="the photograph is in scikit-image")
    nowhere = tmp_path_factory.mktemp("no data")
    (case,) = (case for case in cases(nowhere) if case.name == "motorcycle, 16 lines")
    return list(degrade(case, 1, DepthCompleter.from_bundle("fast", "onnxruntime")))


def test_outliers_cost_accuracy_and_confidence_and_are_warned_of(
    motorcycle: list[Degraded],
) -> None:
    clean = motorcycle[0]
    assert (clean.fault, clean.rmse, clean.causes) == ("", 1.0, ())
    outliers = [row for row in motorcycle if row.fault == "outliers, share"]
    assert outliers[-1].rmse > outliers[0].rmse
    assert outliers[-1].confidence_worse < 0
    assert outliers[-1].causes[0] == "contradicted_points"
    late = [row for row in motorcycle if row.fault == "desynchronisation, s"]
    assert [bool(row.warned) for row in late] == [False, True, True, True, True]
    assert np.isfinite([row.rmse for row in motorcycle]).all()
