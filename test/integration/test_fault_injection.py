"""Short versions of what `make faults` does."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from bundles import write_tiny_bundle
from robustness.faults import KILLED, inject
from robustness.outcomes import Outcome, table

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def troubled_bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "troubled", troubled=True)


# The others take longer, or are in test_watchdog.py.
SHORT = (
    *("node stands still", "clock an hour back", "bag loops 100 times", KILLED),
    *("logs on a full disk", "logs read-only", "bag on a full disk"),
)


@pytest.mark.parametrize("name", SHORT)
def test_depth_comes_back_and_everything_is_accounted_for(name, tmp_path, troubled_bundle):
    outcome = inject(name, tmp_path, troubled_bundle, seconds=1.0)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert not outcome.problems
    assert outcome.completed >= 1
    assert outcome.recovery < 30


def test_the_table_shows_what_is_wrong():
    printed = table([Outcome("a fault", ("it hangs",), 1.5, 6, 3, 1, {"hung": 2}, ["lost"])])
    assert "| a fault | it hangs **lost** | 1.50 | 6 | 3 | 1 | 2 hung |" in printed
    printed = table([Outcome("another", skipped="no disks")])
    assert "| another | not done: no disks |" in printed
