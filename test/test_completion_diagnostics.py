from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("diagnostic_msgs", reason="diagnostic_msgs is needed: see requirements/")

from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros.completion_diagnostics import Input, Report, assess, values
from starrygazer_ros.statistics import Latency, Snapshot

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
BEFORE = Report(image=Input("/image"), sparse_depth=Input("/sparse_depth"))
GOOD = replace(
    BEFORE,
    time=2.0,
    image=Input("/image", received=10),
    sparse_depth=Input("/sparse_depth", received=10),
    counts=Snapshot(matched=10, completed=10),
)


@pytest.mark.parametrize(
    ("report", "level", "part"),
    [
        (GOOD, OK, "depth is published"),
        (replace(GOOD, image=Input("/image")), WARN, "nothing received on /image"),
        (replace(GOOD, sparse_depth=Input("/sparse_depth")), WARN, "on /sparse_depth"),
        (replace(GOOD, counts=Snapshot()), WARN, "sync.slop"),
        (
            replace(GOOD, image=Input("/image", received=10, refused=10), counts=Snapshot()),
            WARN,
            "negative stamp",
        ),
        (replace(GOOD, counts=Snapshot(matched=9, failed={"x": 9})), ERROR, "9 of 9 pairs failed"),
        (
            replace(GOOD, counts=Snapshot(matched=9, completed=6, failed={"x": 2, "y": 1})),
            WARN,
            "3 of 9 pairs failed: x, y",
        ),
        (replace(GOOD, counts=Snapshot(matched=9, unwanted=9)), OK, "nobody"),
        (replace(GOOD, counts=Snapshot(matched=9)), WARN, "busy"),
        (
            replace(GOOD, counts=Snapshot(matched=9, completed=9, warnings={"no_camera_info": 9})),
            WARN,
            "no_camera_info",
        ),
    ],
)
def test_says_how_the_node_fares(report, level, part):
    actual, message = assess(report, BEFORE)
    assert actual == level
    assert part in message


def test_judges_the_last_period_only():
    long_ago = replace(GOOD, counts=Snapshot(matched=10, completed=5, failed={"x": 5}))
    now = replace(
        long_ago,
        image=Input("/image", received=20),
        sparse_depth=Input("/sparse_depth", received=20),
        counts=Snapshot(matched=20, completed=15, failed={"x": 5}),
    )
    assert assess(now, long_ago)[0] == OK


def test_writes_counters_rates_and_latencies_as_values():
    report = replace(
        GOOD,
        image=Input("/image", received=30, unmatched=15, waiting=4, refused=1, age=0.1),
        model="default 1.0",
        backend="onnxruntime",
        camera_infos=4,
        time_jumps=1,
        counts=Snapshot(
            matched=10,
            completed=4,
            replaced=3,
            failed={"size_mismatch": 2},
            warnings={"no_camera_info": 1},
            sparse_points=99,
            occluded_points=7,
            latencies={"node": Latency(0.012, 0.034)},
        ),
    )
    assert dict(values(report, BEFORE)) == {
        "model": "default 1.0",
        "backend": "onnxruntime",
        "received image": "30",
        "unmatched image": "15",
        "waiting image": "4",
        "refused image": "1",
        "rate image Hz": "15.0",
        "stamp age image ms": "100.0",
        "received sparse_depth": "10",
        "unmatched sparse_depth": "0",
        "waiting sparse_depth": "0",
        "refused sparse_depth": "0",
        "rate sparse_depth Hz": "5.0",
        "stamp age sparse_depth ms": "0.0",
        "received camera_info": "4",
        "time jumps": "1",
        "matched": "10",
        "completed": "4",
        "rate completed Hz": "2.0",
        "in work": "1",
        "dropped replaced": "3",
        "dropped no_subscriber": "0",
        "dropped deactivated": "0",
        "dropped size_mismatch": "2",
        "warning no_camera_info": "1",
        "sparse points": "99",
        "occluded points": "7",
        "latency node p50 ms": "12.00",
        "latency node p95 ms": "34.00",
    }


@pytest.mark.parametrize(("seconds", "rate"), [(0.5, "20.0"), (4.0, "2.5")])
def test_rates_are_those_of_the_time_that_passed(seconds, rate):
    report = replace(GOOD, time=BEFORE.time + seconds)
    shown = dict(values(report, BEFORE))
    assert shown["rate image Hz"] == shown["rate completed Hz"] == rate


def test_two_reports_of_one_moment_are_no_error():
    assert dict(values(BEFORE, BEFORE))["rate image Hz"] == "0.0"
