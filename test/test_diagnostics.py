from __future__ import annotations

import pytest

pytest.importorskip("diagnostic_msgs", reason="diagnostic_msgs is needed: see requirements/")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros.diagnostics import of_lifecycle, to_message


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
