"""The rules for pairs in a running node, and changing from one to another."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically

from integration.harness import accounted, image_message, sparse_depth_message, wait_for

pytestmark = pytest.mark.integration
MILLISECOND = 10**6


def send(peer, stamp, sparse_depth_later):
    """An image, and a sparse depth that is later by milliseconds."""
    image, sparse_depth = image_message(), sparse_depth_message()
    peer.send_one("image", image, stamp)
    peer.send_one("sparse_depth", sparse_depth, stamp + sparse_depth_later * MILLISECOND)


def set_rule(peer, policy, max_age):
    values = [
        ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=policy),
        ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=max_age),
    ]
    names = ("sync.policy", "sync.max_age")
    request = SetParametersAtomically.Request(
        parameters=[Parameter(name=n, value=v) for n, v in zip(names, values, strict=True)]
    )
    return peer.call(SetParametersAtomically, "set_parameters_atomically", request).result


def test_policies_pair_as_they_say_and_change_while_running(start_node, tiny_bundle):
    _, peer = start_node(model=tiny_bundle, sync__policy="exact")
    peer.wait_until_connected()
    peer.send_until_completed(lambda stamp: send(peer, stamp, 0))
    before = len(peer.received["/depth/dense"])
    for _ in range(3):
        send(peer, peer.new_stamp(), 20)  # near, but not the same
    _, values = peer.diagnostics()
    assert len(peer.received["/depth/dense"]) == before
    assert int(values["waiting image"]) >= 3

    assert set_rule(peer, "latest", 5.0).successful

    def reused():
        # One sparse depth, several images; the first may come before it.
        peer.send_one("image", image_message(), peer.new_stamp())
        return int(peer.diagnostics()[1]["reused sparse_depth"]) >= 3

    send(peer, peer.new_stamp(), 0)
    wait_for(reused, "a sparse depth that several images get")
    assert len(peer.received["/depth/dense"]) >= before + 3
    _, values = peer.diagnostics()
    assert accounted(values, "image")
    assert accounted(values, "sparse_depth")

    assert not set_rule(peer, "newest", 1.0).successful
    assert set_rule(peer, "latest", 0.0).successful
    for _ in range(2):
        peer.send_one("image", image_message(), peer.new_stamp())
    wait_for(
        lambda: int(peer.diagnostics()[1].get("dropped image no_fresh_sparse_depth", 0)) >= 2,
        "images without a fresh sparse depth",
    )
