from __future__ import annotations

import pytest

pytest.importorskip("tqdm", reason="the demo needs requirements/demo.txt")
from demo.counts import count, latencies

DIAGNOSTICS = {
    "received image": "10",
    "dropped sparse_depth queue_full": "5",
    "waiting image": "0",
    "completed": "7",
    "in work": "0",
    "dropped replaced": "2",
    "dropped no_subscriber": "0",
    "dropped size_mismatch": "1",
    "latency node p50 ms": "12.50",
    "latency node p95 ms": "20.00",
    "latency prepare_mde p50 ms": "1.00",
}


def test_every_frame_is_accounted_for_by_cause() -> None:
    counts = count(sent=10, received=7, diagnostics=DIAGNOSTICS)

    assert counts.dropped == {"replaced": 2, "size_mismatch": 1}
    assert counts.consistent
    assert counts.settled


@pytest.mark.parametrize(
    ("sent", "received", "changes", "cause"),
    [
        (11, 7, {}, "lost_before_node"),
        (10, 6, {}, "lost_after_node"),
        (10, 6, {"completed": "6", "in work": "1"}, "not_finished"),
        (10, 6, {"completed": "6", "waiting image": "1"}, "no_partner"),
    ],
)
def test_a_frame_on_its_way_is_not_settled(
    sent: int, received: int, changes: dict[str, str], cause: str
) -> None:
    counts = count(sent, received, {**DIAGNOSTICS, **changes})

    assert counts.dropped[cause] == 1
    assert counts.consistent
    assert not counts.settled


def test_an_image_that_found_no_sparse_depth_is_counted_by_its_cause() -> None:
    changes = {"completed": "6", "dropped image queue_full": "1"}
    counts = count(10, 6, {**DIAGNOSTICS, **changes})

    assert counts.dropped == {"replaced": 2, "size_mismatch": 1, "queue_full": 1}
    assert counts.settled


def test_a_frame_that_vanished_in_the_node_is_noticed() -> None:
    counts = count(10, 7, {**DIAGNOSTICS, "dropped replaced": "1"})

    assert not counts.consistent


def test_without_diagnostics_nothing_is_settled() -> None:
    assert not count(5, 5, {}).settled


def test_latencies_by_stage_and_percentile() -> None:
    assert latencies(DIAGNOSTICS) == {
        "node": {"p50": 12.5, "p95": 20.0},
        "prepare_mde": {"p50": 1.0},
    }
