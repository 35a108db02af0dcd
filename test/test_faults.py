from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from starrygazer_ros.completion import SizeMismatchError
from starrygazer_ros.nodes.faults import INTERNAL_ERROR, FaultLog


class Logger:
    def __init__(self):
        self.warnings, self.errors = [], []
        self.warning, self.error = self.warnings.append, self.errors.append


def log(faults, error):
    try:
        raise error
    except Exception as caught:
        return faults.log(caught)


def test_gives_the_cause_each_time_and_logs_it_once():
    logger = Logger()
    faults = FaultLog(logger)
    for _ in range(3):
        assert log(faults, SizeMismatchError("two\nlines")) == "size_mismatch"
    assert logger.warnings == ["size_mismatch: two lines"]


def test_the_unexpected_is_logged_with_its_place():
    logger = Logger()
    assert log(FaultLog(logger), ArithmeticError("odd")) == INTERNAL_ERROR
    assert len(logger.errors) == 1
    assert "test_faults.py" in logger.errors[0]
    assert "ArithmeticError: odd" in logger.errors[0]
