"""A short run of what `make soak` does for an hour."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from robustness.soak import Sample, Soak, soak

pytestmark = pytest.mark.integration


def test_all_that_is_sent_is_completed_or_counted(tmp_path):
    result = soak(tmp_path, seconds=30, frames=250, rate=50, model="tiny", size=(96, 64))
    assert not result.problems
    assert result.sent == 250
    assert len(result.samples) >= 4


def test_growth_is_measured_after_the_warm_up():
    samples = [
        Sample(seconds, 200.0 if seconds < 20 else 100 + seconds / 36, 20, 9, 5.0)
        for seconds in range(100)
    ]
    slopes = Soak(samples=samples).slopes()
    assert slopes["memory_mib"] == pytest.approx(100)
    assert slopes["files"] == pytest.approx(0, abs=1e-6)
