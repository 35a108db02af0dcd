"""What a user reads on /diagnostics when something is wrong, from a real node."""

from __future__ import annotations

import hashlib

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from integration.harness import wait_for

pytestmark = pytest.mark.integration


def test_a_silent_topic_is_stale_and_a_mismatch_is_an_error_with_both_policies(
    start_node, tiny_bundle
):
    process, peer = start_node(model=tiny_bundle)
    process.wait_for_log("active: ")

    def sentence(part):
        status, _ = peer.diagnostics()
        return status if part in status.message else None

    status = wait_for(lambda: sentence("publisher that sends nothing"), "a silent publisher")
    assert status.level == DiagnosticStatus.STALE
    assert status.message.startswith("nothing received on /image for ")
    peer.node.destroy_publisher(peer._image)
    status = wait_for(lambda: sentence("nobody publishes it"), "no publisher")
    assert status.level == DiagnosticStatus.STALE

    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    peer.node.create_publisher(Image, "image", best_effort)
    status = wait_for(lambda: sentence("RELIABLE"), "the mismatch")
    assert status.level == DiagnosticStatus.ERROR
    assert status.message.startswith(
        "nothing can arrive on /image: /peer publishes /image with reliability BEST_EFFORT, "
        "but this node asks for reliability RELIABLE"
    )
    process.wait_for_log("reliability")


def test_names_the_model_by_hash_and_the_coverage(running, tiny_bundle):
    _, peer = running
    peer.complete_good_pair()
    _, values = peer.diagnostics()
    for graph in ("mde", "refinement"):
        sha256 = hashlib.sha256((tiny_bundle / f"{graph}.onnx").read_bytes()).hexdigest()
        assert values[f"model {graph} sha256"] == sha256
    assert values["coverage %"] == "12.50"  # every eighth row


def test_warns_of_stamps_far_from_the_clock(running):
    _, peer = running

    def warning():
        peer.complete_good_pair()  # stamps of 2023
        statuses = [message.status[0] for message in peer.received["/diagnostics"]]
        return next((s for s in statuses if "behind this node's clock" in s.message), None)

    status = wait_for(warning, "the warning")
    assert status.level == DiagnosticStatus.WARN
    assert "use_sim_time" in status.message
