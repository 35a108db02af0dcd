from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("diagnostic_msgs", reason="diagnostic_msgs is needed: see requirements/")

from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion_diagnostics import Report, assess, values
from starrygazer_ros.diagnostics import Input
from starrygazer_ros.statistics import Latency, Snapshot

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE
LIMITS = CommonParameters(max_latency=0.5, min_rate=3.0, max_drop_share=0.5)
BEFORE = Report(Input("/image"), Input("/sparse_depth"), Input("/camera_info"))
GOOD = replace(
    BEFORE,
    time=2.0,
    image=Input("/image", received=10),
    sparse_depth=Input("/sparse_depth", received=10),
    camera_info=Input("/camera_info", received=10),
    counts=Snapshot(matched=10, completed=10),
)
NO_CALIBRATION = Snapshot(matched=9, completed=9, warnings={"no_camera_info": 9})


@pytest.mark.parametrize(
    ("report", "level", "part"),
    [
        (GOOD, OK, "depth is published"),
        (replace(GOOD, image=Input("/image")), STALE, "nothing received on /image"),
        (replace(GOOD, sparse_depth=Input("/sparse_depth")), STALE, "on /sparse_depth"),
        (
            replace(GOOD, image=Input("/image", mismatch="/camera publishes …")),
            ERROR,
            "nothing can arrive on /image: /camera publishes …",
        ),
        (
            replace(GOOD, counts=Snapshot()),
            WARN,
            "sync.*: compare the stamps on /image and /sparse",
        ),
        (
            replace(GOOD, sparse_depth=Input("/points", received=10), counts=Snapshot()),
            WARN,
            "on /image and /points",
        ),
        (
            # Point clouds cannot be projected without it.
            replace(
                GOOD,
                counts=Snapshot(matched=9, failed={"no_camera_info": 9}),
                camera_info=Input("/camera_info", mismatch="/camera publishes …"),
            ),
            ERROR,
            "9 of 9 pairs failed: no_camera_info; nothing can arrive on /camera_info: /camera pub",
        ),
        (
            replace(GOOD, counts=Snapshot(matched=9, failed={"no_camera_info": 9})),
            ERROR,
            "no_camera_info",
        ),
        (
            replace(
                GOOD,
                image=Input("/image", received=10, dropped={"negative_stamp": 10}),
                counts=Snapshot(),
            ),
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
        (
            replace(GOOD, counts=Snapshot(matched=9, unwanted=9), output_mismatch="/rviz asks"),
            WARN,
            "does not get through: /rviz asks",
        ),
        (replace(GOOD, counts=Snapshot(matched=9)), WARN, "busy"),
        (replace(GOOD, counts=NO_CALIBRATION), WARN, "no_camera_info"),
        (
            replace(GOOD, counts=NO_CALIBRATION, camera_info=Input("/camera_info")),
            WARN,
            "no_camera_info; nothing received on /camera_info",
        ),
        (replace(GOOD, image=Input("/image", received=10, age=1.5)), WARN, "1.5 s behind"),
        (
            replace(GOOD, counts=replace(GOOD.counts, latencies={"node": Latency(0.1, 0.6)})),
            WARN,
            "0.60 s or more after its inputs",
        ),
        (replace(GOOD, counts=Snapshot(matched=4, completed=4)), WARN, "2.0 outputs per second"),
        (
            replace(GOOD, counts=Snapshot(matched=10, completed=5, replaced=5)),
            OK,
            "depth is published",
        ),
        (
            replace(GOOD, time=1.0, counts=Snapshot(matched=10, completed=4, replaced=6)),
            WARN,
            "6 of 10 inputs were dropped (limit 50%)",
        ),
        (
            replace(
                GOOD,
                time=1.0,
                sparse_depth=Input("/sparse_depth", received=30, dropped={"queue_full": 20}),
                counts=Snapshot(matched=10, completed=10),
            ),
            OK,
            "depth is published",
        ),
    ],
)
def test_says_how_the_node_fares(report, level, part):
    actual, message = assess(report, BEFORE, LIMITS)
    assert part in message
    assert actual == level


def test_a_threshold_of_zero_judges_nothing():
    bad = replace(
        GOOD,
        image=Input("/image", received=10, age=1e9),
        counts=Snapshot(matched=10, completed=1, replaced=9, latencies={"node": Latency(9, 9)}),
    )
    limits = CommonParameters(max_stamp_age=0.0, max_latency=0.0)
    assert assess(bad, BEFORE, limits)[0] == OK


def test_judges_the_last_period_only():
    long_ago = replace(GOOD, counts=Snapshot(matched=10, completed=5, failed={"x": 5}))
    now = replace(
        long_ago,
        image=Input("/image", received=20),
        sparse_depth=Input("/sparse_depth", received=20),
        counts=Snapshot(matched=20, completed=15, failed={"x": 5}),
    )
    assert assess(now, long_ago, LIMITS)[0] == OK


def test_writes_counters_rates_and_latencies_as_values():
    report = replace(
        GOOD,
        image=Input(
            "/image",
            received=30,
            waiting=4,
            dropped={"queue_full": 15, "negative_stamp": 1},
            age=0.1,
        ),
        reused=2,
        model="default 1.0",
        hashes={"mde": "12ab"},
        backend="onnxruntime",
        camera_info=Input("/camera_info", received=4),
        time_jumps=1,
        counts=Snapshot(
            matched=10,
            completed=4,
            replaced=3,
            failed={"size_mismatch": 2},
            warnings={"no_camera_info": 1},
            sparse_points=99,
            occluded_points=7,
            contradicted_points=3,
            coverage=0.0123,
            latencies={"node": Latency(0.012, 0.034)},
        ),
    )
    assert dict(values(report, BEFORE)) == {
        "model": "default 1.0",
        "model mde sha256": "12ab",
        "backend": "onnxruntime",
        "received image": "30",
        "dropped image queue_full": "15",
        "waiting image": "4",
        "dropped image negative_stamp": "1",
        "rate image Hz": "15.0",
        "stamp age image ms": "100.0",
        "received sparse_depth": "10",
        "waiting sparse_depth": "0",
        "reused sparse_depth": "2",
        "rate sparse_depth Hz": "5.0",
        "stamp age sparse_depth ms": "0.0",
        "received camera_info": "4",
        "reloads": "0",
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
        "coverage %": "1.23",
        "occluded points": "7",
        "contradicted points": "3",
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
