"""A short run of robustness.broken_files; what once broke on it is in the tests beside."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is needed: see requirements/")
pytest.importorskip("onnx", reason="onnx is needed: see requirements/")
pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from robustness.broken_files import STRATEGIES, workplace
from robustness.refusals import FINE

CASES, CASES_OF_BAGS = 30, 8  # which take a fifth of a second each


@pytest.fixture(scope="module")
def place():
    with workplace() as made:
        yield made


@pytest.mark.parametrize("name", STRATEGIES)
def test_whatever_a_file_holds_there_is_a_result_or_one_clear_reason(place, name):
    cases = CASES_OF_BAGS if name.startswith("bag") else CASES
    outcome = place.fuzz(name, cases, number=1)
    assert outcome.broken == {}
    assert outcome.counts.total() >= cases
    assert outcome.counts[FINE] > 0  # else the reasons would be those of the strategy
    assert len(outcome.counts) > 1
