"""A short run of what `make fuzz` does; the messages it once broke on are in the tests beside."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is needed: see requirements/")
pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from robustness.conversions import TARGETS, fuzz
from robustness.refusals import BrokenError
from starrygazer_ros.completion import InputError

CASES = 150


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_there_is_a_result_or_one_clear_reason(name):
    outcomes = fuzz(name, CASES, number=1)
    assert sum(outcomes.values()) >= CASES
    assert outcomes["fine"] > 0  # else the reasons would be those of the strategy
    assert len(outcomes) > 1


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda _: 1 / 0, ZeroDivisionError),
        (lambda _: bytearray(1 << 28), BrokenError),
        (lambda _: (_ for _ in ()).throw(InputError("")), BrokenError),
    ],
    ids=["another exception", "memory", "no reason"],
)
def test_what_is_broken_is_found(monkeypatch, broken, expected):
    monkeypatch.setitem(TARGETS, "image", (broken, TARGETS["image"][1]))
    with pytest.raises(expected):
        fuzz("image", 10, number=1)
