"""The sentence that the projection node says of itself."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

pytest.importorskip("diagnostic_msgs", reason="diagnostic_msgs is needed: see requirements/")

from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.diagnostics import Input
from starrygazer_ros.projection_diagnostics import ProjectionReport, assess, values
from starrygazer_ros.statistics import Latency, Snapshot

OK, WARN, ERROR, STALE = (
    DiagnosticStatus.OK,
    DiagnosticStatus.WARN,
    DiagnosticStatus.ERROR,
    DiagnosticStatus.STALE,
)
BEFORE = ProjectionReport(Input("/points"), Input("/camera_info"))
WELL = ProjectionReport(
    Input("/points", received=10, publishers=1),
    Input("/camera_info", received=10, publishers=1),
    time=1.0,
    counts=Snapshot(matched=10, completed=10),
)


def counted(**changes):
    return replace(WELL, counts=replace(WELL.counts, **changes))


@pytest.mark.parametrize(
    ("report", "limits", "level", "part"),
    [
        (WELL, {}, OK, "sparse depth is published"),
        (replace(WELL, points=Input("/points", silence=3)), {}, STALE, "nobody publishes it"),
        (counted(completed=0, failed={"transform": 10}), {}, ERROR, "10 of 10.*transform"),
        (counted(completed=8, failed={"truncated_data": 2}), {}, WARN, "2 of 10 clouds failed"),
        (counted(completed=0, unwanted=10), {}, OK, "idle"),
        (counted(completed=0), {}, WARN, "busy"),
        (counted(warnings={"unusable_camera_info": 1}), {}, WARN, "but: unusable_camera_info"),
        (replace(WELL, output_mismatch="best effort"), {}, WARN, "does not get through"),
        (
            replace(WELL, points=replace(WELL.points, age=2.0)),
            {"max_stamp_age": 1.0},
            WARN,
            "stamps on /points are 2.0 s behind",
        ),
        (counted(latencies={"node": Latency(0.1, 2.0)}), {"max_latency": 1.0}, WARN, "1 of 20"),
        (counted(completed=5), {"min_rate": 10.0}, WARN, "limit 10 Hz"),
        (counted(completed=5, replaced=5), {"max_drop_share": 0.2}, WARN, "5 of 10 inputs"),
    ],
)
def test_says_what_is_the_matter(report, limits, level, part):
    found, sentence = assess(report, BEFORE, CommonParameters(**limits))
    assert found == level
    assert re.search(part, sentence), sentence


def test_blames_a_silent_camera_info_where_it_is_missing():
    report = replace(
        counted(completed=0, failed={"no_camera_info": 10}),
        camera_info=Input("/camera_info", silence=5),
    )
    level, sentence = assess(report, BEFORE, CommonParameters())
    assert level == ERROR
    assert "no_camera_info; nothing received on /camera_info for 5 s" in sentence


def test_only_the_last_period_is_judged():
    report = counted(completed=8, failed={"transform": 2})
    later = replace(
        report,
        points=replace(report.points, received=20),
        time=2.0,
        counts=replace(report.counts, matched=20, completed=18),
    )
    assert assess(later, report, CommonParameters())[0] == OK


def test_the_values_account_for_every_cloud():
    counts = Snapshot(
        matched=20, completed=10, unwanted=1, replaced=2, discarded=3, failed={"transform": 4},
        sparse_points=500, coverage=0.04, occluded_points=20,
    )  # fmt: skip
    shown = dict(values(replace(WELL, counts=counts), BEFORE))
    received = int(shown["received points"])
    dropped = sum(int(value) for key, value in shown.items() if key.startswith("dropped "))
    assert received == int(shown["projected"]) + dropped + int(shown["in work"]) == 20
    assert shown["coverage %"] == "4.00"
    assert shown["sparse points"] == "500"
    assert shown["occluded points"] == "20"
    assert shown["rate projected Hz"] == "10.0"
