from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("diagnostic_msgs", reason="diagnostic_msgs is needed: see requirements/")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.diagnostics import (
    Input,
    input_values,
    latency_values,
    of_drops,
    of_input,
    of_latency,
    of_lifecycle,
    of_rate,
    of_stamps,
    to_message,
)
from starrygazer_ros.statistics import Latency

BEFORE = Input("/image", received=3)


def test_an_active_node_is_judged_by_its_work():
    assert of_lifecycle("active", "") is None


def test_a_node_that_is_not_active_says_so_and_is_well():
    assert of_lifecycle("inactive", "") == (
        DiagnosticStatus.OK,
        "not active, lifecycle state is inactive",
    )


def test_a_failed_transition_is_an_error_with_its_reason():
    verdict = of_lifecycle("unconfigured", "bundle_not_found: x")
    assert verdict == (DiagnosticStatus.ERROR, "bundle_not_found: x")


def test_writes_one_status_with_values():
    verdict = (DiagnosticStatus.WARN, "slow")
    message = to_message("node: completion", "/node", Time(sec=5), verdict, [("rate", "1.0")])
    assert message.header.stamp.sec == 5
    status = message.status[0]
    assert isinstance(status.level, bytes)
    assert (status.level, status.message) == verdict
    assert (status.name, status.hardware_id) == ("node: completion", "/node")
    assert [(value.key, value.value) for value in status.values] == [("rate", "1.0")]


def test_an_input_that_brings_messages_is_well():
    assert of_input(Input("/image", received=4), BEFORE) is None


@pytest.mark.parametrize(
    ("publishers", "reason"), [(0, "nobody publishes it"), (1, "a publisher that sends nothing")]
)
def test_a_silent_input_is_stale_and_says_since_when_and_why(publishers, reason):
    level, message = of_input(replace(BEFORE, silence=4.2, publishers=publishers), BEFORE)
    assert level == DiagnosticStatus.STALE
    assert "nothing received on /image for 4 s" in message
    assert reason in message


def test_a_mismatch_is_an_error_only_while_nothing_arrives():
    mismatch = "/camera publishes …"
    assert of_input(replace(BEFORE, mismatch=mismatch), BEFORE) == (
        DiagnosticStatus.ERROR,
        f"nothing can arrive on /image: {mismatch}; make both match, here with the parameters "
        "qos.*",
    )
    assert of_input(replace(BEFORE, received=4, mismatch=mismatch), BEFORE) is None


@pytest.mark.parametrize(
    ("age", "part"), [(1.6, "1.6 s behind"), (-2.0, "2.0 s ahead of"), (1.4, None), (-1.4, None)]
)
def test_judges_stamps_by_their_distance_from_the_clock(age, part):
    limits = CommonParameters(max_stamp_age=1.5)
    verdict = of_stamps([Input("/image"), Input("/sparse_depth", age=age)], limits)
    if part is None:
        assert verdict is None
    else:
        assert verdict[0] == DiagnosticStatus.WARN
        assert f"stamps on /sparse_depth are {part} this node's clock (limit 1.5 s)" in verdict[1]


def test_judges_the_slow_outputs_and_not_the_typical_one():
    limits = CommonParameters(max_latency=0.2)
    assert of_latency(None, limits) is None
    assert of_latency(Latency(0.19, 0.2), limits) is None
    assert of_latency(Latency(0.1, 0.3), limits)[0] == DiagnosticStatus.WARN


def test_a_rate_may_miss_one_output_in_a_period():
    limits = CommonParameters(min_rate=10.0)
    assert of_rate(9, 1.0, limits) is None
    assert of_rate(8, 1.0, limits) == (
        DiagnosticStatus.WARN,
        "8.0 outputs per second (limit 10 Hz)",
    )


def test_judges_the_share_of_dropped_inputs():
    limits = CommonParameters(max_drop_share=0.25)
    assert of_drops(0, 0, limits) is None
    assert of_drops(1, 4, limits) is None
    assert of_drops(2, 4, limits) == (
        DiagnosticStatus.WARN,
        "2 of 4 inputs were dropped (limit 25%)",
    )


def test_zero_switches_every_threshold_off():
    off = CommonParameters(max_stamp_age=0.0, max_latency=0.0, min_rate=0.0, max_drop_share=0.0)
    assert of_stamps([Input("/image", age=1e9)], off) is None
    assert of_latency(Latency(9.0, 9.0), off) is None
    assert of_rate(0, 1.0, off) is None
    assert of_drops(9, 9, off) is None


def test_shows_rates_of_the_time_that_passed_and_percentiles_in_milliseconds():
    now = Input("/image", received=13, waiting=1, dropped={"queue_full": 2}, age=0.25)
    assert dict(input_values("image", now, BEFORE, 2.0)) == {
        "received image": "13",
        "dropped image queue_full": "2",
        "waiting image": "1",
        "rate image Hz": "5.0",
        "stamp age image ms": "250.0",
    }
    assert dict(latency_values({"mde": Latency(0.0125, 0.5)})) == {
        "latency mde p50 ms": "12.50",
        "latency mde p95 ms": "500.00",
    }
