from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from integration.harness import accounted, image_message, sparse_depth_message, wait_for

pytestmark = pytest.mark.integration


def set_string(peer, name, value):
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(value))
    request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
    return peer.services.call(SetParameters, "set_parameters", request).results[0]


def test_waits_for_the_lifecycle_services_without_autostart(start_node, tiny_bundle):
    process, peer = start_node(model=tiny_bundle, autostart="false")
    assert peer.services.state() == "unconfigured"
    process.wait_for_log("unconfigured: autostart is false")

    for _ in range(2):  # the second round needs everything that the first one freed
        assert peer.services.change_state(Transition.TRANSITION_CONFIGURE)
        assert peer.services.state() == "inactive"
        assert peer.services.change_state(Transition.TRANSITION_ACTIVATE)
        process.wait_for_log("active: completes /sparse_depth with /image")
        peer.wait_until_connected()
        peer.complete_good_pair()
        assert peer.services.change_state(Transition.TRANSITION_DEACTIVATE)
        wait_for(lambda: peer.node.count_subscribers("/image") == 0, "end of the subscription")
        assert peer.services.change_state(Transition.TRANSITION_CLEANUP)
        wait_for(lambda: peer.node.count_publishers("/depth/dense") == 0, "end of the publisher")
        assert peer.services.state() == "unconfigured"

    assert peer.services.change_state(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert peer.services.state() == "finalized"
    assert process.stop() == 0


@pytest.mark.parametrize(
    "transition", [Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP, 123]
)
def test_an_impossible_transition_is_answered_and_changes_nothing(running, transition):
    process, peer = running
    assert not peer.services.change_state(transition)
    assert peer.services.state() == "active"
    assert process.running
    peer.complete_good_pair()


def test_keeps_counters_and_calibration_while_it_is_inactive(start_node, tiny_bundle):
    _, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()
    peer.complete_good_pair()
    assert peer.services.change_state(Transition.TRANSITION_DEACTIVATE)
    _, before = peer.diagnostics()
    assert int(before["completed"]) >= 1
    assert before["waiting image"] == before["in work"] == "0"
    assert peer.services.change_state(Transition.TRANSITION_ACTIVATE)
    peer.wait_until_connected()

    def send_without_camera_info(stamp):
        peer.send_pair(image_message(), sparse_depth_message(), stamp)

    peer.send_until_completed(send_without_camera_info, ["/depth/dense", "/depth/points"])
    _, after = peer.diagnostics()
    assert int(after["completed"]) > int(before["completed"])
    # Not "never": the first pair may have been completed before its camera_info arrived.
    assert after.get("warning no_camera_info") == before.get("warning no_camera_info")
    assert accounted(after, "image")


def test_changes_parameters_by_their_kind_and_refuses_with_a_reason(start_node, tiny_bundle):
    _, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()
    refused = set_string(peer, "depth_encoding", "8UC1")
    assert not refused.successful
    assert "32FC1" in refused.reason
    refused = set_string(peer, "qos.output_reliability", "best_effort")
    assert not refused.successful
    assert "clean up" in refused.reason
    assert peer.complete_good_pair()["/depth/dense"].encoding == "32FC1"
    assert set_string(peer, "depth_encoding", "16UC1").successful
    assert peer.complete_good_pair()["/depth/dense"].encoding == "16UC1"


def damage(folder):
    with (folder / "refinement.onnx").open("ab") as file:
        file.write(b"x")


def remove(folder):
    (folder / "mde.onnx").unlink()


@pytest.mark.parametrize(
    ("harm", "cause"), [(damage, "bundle_integrity"), (remove, "bundle_not_found")]
)
def test_stays_alive_with_a_bad_bundle_until_it_is_mended(
    start_node, tiny_bundle, tiny_bundle_copy, harm, cause
):
    harm(tiny_bundle_copy)
    process, peer = start_node(model=tiny_bundle_copy)
    process.wait_for_log(f"{cause}: ")
    assert peer.services.state() == "unconfigured"
    status, _ = peer.diagnostics()
    assert status.level == DiagnosticStatus.ERROR
    assert status.message.startswith(f"{cause}: ")

    shutil.copytree(tiny_bundle, tiny_bundle_copy, dirs_exist_ok=True)
    assert peer.services.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.services.change_state(Transition.TRANSITION_ACTIVATE)
    peer.wait_until_connected()
    peer.complete_good_pair()
    assert peer.diagnostics()[0].level != DiagnosticStatus.ERROR


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [({"model": "no_such_model"}, "bundle_not_found"), ({"backend": "abacus"}, "backend_unavail")],
)
def test_an_unknown_model_or_back_end_can_be_set_right(start_node, tiny_bundle, parameters, cause):
    process, peer = start_node(**{"model": tiny_bundle, **parameters})
    process.wait_for_log(cause)
    assert set_string(peer, "model", tiny_bundle).successful
    assert set_string(peer, "backend", "onnxruntime").successful
    assert peer.services.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.services.state() == "inactive"


@pytest.mark.parametrize("parameter", ["threads:=0", "depth_encoding:=8UC1", "sync.slop:=-1.0"])
def test_refuses_to_start_with_a_bad_parameter(tmp_path, parameter):
    from integration.harness import NodeProcess, next_domain

    name, value = parameter.split(":=")
    process = NodeProcess(tmp_path, next_domain(), {name: value})
    assert process.exit_code() == 1
    assert name in process.log
    assert "Traceback" not in process.log


@pytest.mark.parametrize("signals", [["SIGINT"], ["SIGTERM"], ["SIGINT", "SIGINT"]])
def test_ends_with_exit_code_0_on_signals(start_node, tiny_bundle, signals):
    process, peer = start_node(model=tiny_bundle)
    process.wait_for_log("self-check")
    peer.wait_until_connected()
    peer.complete_good_pair()
    for name in signals:
        process.send(signal.Signals[name])
    assert process.exit_code() == 0
    assert "Traceback" not in process.log


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_ends_with_exit_code_0_on_a_signal_during_the_imports(start_node, tiny_bundle, name):
    process, _ = start_node(model=tiny_bundle)
    maps = Path(f"/proc/{process._process.pid}/maps")
    wait_for(lambda: "_rclpy_pybind11" in maps.read_text(), "the import of rclpy")
    process.send(signal.Signals[name])
    assert process.exit_code() == 0
    assert "Traceback" not in process.log


def test_ends_with_exit_code_0_on_a_signal_during_start(start_node, tiny_bundle):
    process, peer = start_node(model=tiny_bundle)
    wait_for(lambda: peer.node.count_publishers("/diagnostics"), "the node")
    process.send(signal.SIGINT)
    assert process.exit_code() == 0
    assert "Traceback" not in process.log
