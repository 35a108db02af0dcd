from __future__ import annotations

import pytest

from starrygazer_ros.statistics import LATENCY_WINDOW, Statistics


def test_says_what_became_of_every_pair():
    statistics = Statistics()
    for _ in range(9):
        statistics.count_matched()
    statistics.count_completed(100, {"node": 0.1}, 8)
    statistics.count_replaced()
    statistics.count_unwanted()
    statistics.count_discarded(1)
    for cause in ("size_mismatch", "size_mismatch", "truncated_data"):
        statistics.count_failed(cause)
    snapshot = statistics.snapshot()
    assert snapshot.failed == {"size_mismatch": 2, "truncated_data": 1}
    assert (snapshot.matched, snapshot.completed, snapshot.failures) == (9, 1, 3)
    assert snapshot.in_work == 2
    assert (snapshot.sparse_points, snapshot.occluded_points) == (100, 8)
    statistics.count_failed("size_mismatch")
    statistics.count_completed(100, {})
    assert statistics.snapshot().in_work == 0


def test_a_warning_costs_no_pair():
    statistics = Statistics()
    statistics.count_matched()
    statistics.count_warning("no_camera_info")
    assert statistics.snapshot().warnings == {"no_camera_info": 1}
    assert statistics.snapshot().in_work == 1


def test_gives_percentiles_of_the_last_frames_by_stage():
    statistics = Statistics()
    statistics.count_completed(5, {"mde": 1000.0})  # leaves the window
    for index in range(LATENCY_WINDOW):
        statistics.count_completed(5, {"mde": float(index)})
    latency = statistics.snapshot().latencies["mde"]
    assert latency.p50 == pytest.approx((LATENCY_WINDOW - 1) * 0.50)
    assert latency.p95 == pytest.approx((LATENCY_WINDOW - 1) * 0.95)


def test_stages_after_the_depth_count_no_second_frame():
    statistics = Statistics()
    statistics.count_completed(5, {"node": 0.1})
    statistics.record_latencies({"cloud": 0.2})
    snapshot = statistics.snapshot()
    assert snapshot.completed == 1
    assert snapshot.latencies["cloud"].p50 == pytest.approx(0.2)


def test_a_snapshot_does_not_change_afterwards():
    statistics = Statistics()
    snapshot = statistics.snapshot()
    statistics.count_failed("size_mismatch")
    assert snapshot.failed == {}
