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


def completed(peer):
    """Stamps of all dense depth images."""
    stamps = [message.header.stamp for message in peer.received["/depth/dense"]]
    return {stamp.sec * 10**9 + stamp.nanosec for stamp in stamps}


def set_rule(peer, policy, max_age):
    values = [
        ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=policy),
        ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=max_age),
    ]
    names = ("sync.policy", "sync.max_age")
    request = SetParametersAtomically.Request(
        parameters=[Parameter(name=n, value=v) for n, v in zip(names, values, strict=True)]
    )
    return peer.services.call(SetParametersAtomically, "set_parameters_atomically", request).result


def test_policies_pair_as_they_say_and_change_while_running(start_node, tiny_bundle):
    _, peer = start_node(model=tiny_bundle, sync__policy="exact")
    peer.wait_until_connected()
    peer.send_until_completed(lambda stamp: send(peer, stamp, 0))
    near = [peer.new_stamp() for _ in range(3)]
    for stamp in near:
        send(peer, stamp, 20)  # not the same
    wait_for(lambda: int(peer.diagnostics()[1]["waiting image"]) >= 3, "images that wait")
    assert not set(near) & completed(peer)

    assert set_rule(peer, "latest", 5.0).successful

    alone = []

    def several_completed():
        # One sparse depth, several images; the first may come before it.
        alone.append(peer.new_stamp())
        peer.send_one("image", image_message(), alone[-1])
        peer.diagnostics()  # so that no image replaces the one before in the worker
        return len(set(alone) & completed(peer)) >= 3

    send(peer, peer.new_stamp(), 0)
    wait_for(several_completed, "images that share a sparse depth", timeout=60)
    _, values = peer.diagnostics()
    assert int(values["reused sparse_depth"]) >= 2
    assert accounted(values, "image")
    assert accounted(values, "sparse_depth")

    assert not set_rule(peer, "newest", 1.0).successful
    assert set_rule(peer, "latest", 0.0).successful
    for _ in range(3):  # the newest of them waits
        peer.send_one("image", image_message(), peer.new_stamp())
    wait_for(
        lambda: int(peer.diagnostics()[1].get("dropped image no_fresh_sparse_depth", 0)) >= 2,
        "images without a fresh sparse depth",
    )


def test_simulated_time_counts_by_stamps_alone_also_when_it_is_reset(start_node, tiny_bundle):
    # Nobody publishes /clock: a rule that asked a clock for the age would never find a pair.
    _, peer = start_node(model=tiny_bundle, use_sim_time="true", sync__policy="latest")
    peer.wait_until_connected()
    peer.send_until_completed(lambda stamp: send(peer, stamp, 0))

    def waits():
        peer.send_one("sparse_depth", sparse_depth_message(), peer.new_stamp())
        return int(peer.diagnostics()[1]["waiting sparse_depth"])

    wait_for(waits, "a sparse depth without an image")
    before = int(peer.diagnostics()[1]["time jumps"])
    peer._stamp -= 3600 * 10**9  # the simulation is reset
    first = peer.new_stamp()

    def told():
        # The sparse depth from before the reset is the newest, and yet must not be used.
        peer.send_one("image", image_message(), first)
        _, values = peer.diagnostics()
        return values if int(values["time jumps"]) > before else None

    values = wait_for(told, "a counted jump in time")
    assert int(values["dropped sparse_depth time_jump"]) == 1
    assert int(values["waiting image"]) == 1
    assert first not in completed(peer)

    peer.send_until_completed(lambda stamp: send(peer, stamp, 0))
    _, values = peer.diagnostics()
    assert int(values["time jumps"]) == before + 1
    assert accounted(values, "image")
    assert accounted(values, "sparse_depth")
