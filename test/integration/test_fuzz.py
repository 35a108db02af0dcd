"""A short run of what `make fuzz` does with a running node."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is needed: see requirements/")
pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from robustness.running_node import MODES, fuzz

pytestmark = pytest.mark.integration

CASES = 80


@pytest.mark.parametrize("mode", MODES)
def test_a_node_survives_broken_messages_and_accounts_for_each(mode, tmp_path):
    outcome = fuzz(MODES[mode], CASES, tmp_path, number=1)
    assert not outcome.problems
    dropped = [int(n) for key, n in outcome.values.items() if key.startswith("dropped ")]
    assert sum(dropped) > CASES / 4
