"""Engines that hang or fail: the frame is counted, the model loaded again, depth goes on."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from bundles import write_tiny_bundle
from integration.harness import (
    COMMAND,
    NodeProcess,
    Peer,
    image_message,
    next_domain,
    sparse_depth_message,
)
from starrygazer_ros.nodes.pair_completer import MOST_FAILURES

pytestmark = pytest.mark.integration

HANGS, FAILS = 255, 0  # grey levels
TIMEOUT = 1.5  # s


@pytest.fixture(scope="module")
def troubled_bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "troubled", troubled=True)


@pytest.fixture
def start(tmp_path, troubled_bundle):
    """Start a node with that bundle and a peer for each camera."""
    with ExitStack() as stack:

        def start(*cameras):
            domain = next_domain()
            peers = [Peer(domain, camera) for camera in cameras or ("",)]
            for peer in peers:
                stack.callback(peer.destroy)
            command = (*COMMAND, "--cameras", *cameras) if cameras else COMMAND
            parameters = {"model": troubled_bundle, "threads": 1, "watchdog.timeout": TIMEOUT}
            process = NodeProcess(tmp_path, domain, parameters, command)
            stack.callback(process.stop)
            process.wait_for_log("self-check", count=len(peers))
            for peer in peers:
                peer.wait_until_connected()
                peer.complete_good_pair()
            return process, *peers

        yield start


def send(peer, grey):
    peer.send_pair(image_message(grey), sparse_depth_message(), peer.new_stamp())


def test_an_engine_that_hangs_costs_its_frame_and_is_replaced(start):
    process, peer = start()
    send(peer, HANGS)
    process.wait_for_log("hung: the engines have not answered for")
    process.wait_for_log("loaded again: onnxruntime")
    peer.complete_good_pair()
    _, values = peer.diagnostics()
    assert (values["dropped hung"], values["reloads"], values["in work"]) == ("1", "1", "0")
    assert "Traceback" not in process.log
    assert process.stop() == 0


def test_an_engine_that_keeps_failing_is_replaced_one_that_fails_once_is_not(start):
    process, peer = start()
    for count in range(1, MOST_FAILURES + 1):
        assert "loaded again" not in process.log
        send(peer, FAILS)
        peer_sees(peer, "dropped inference", count)
    process.wait_for_log("the engines failed 3 times in a row; the model is loaded again")
    process.wait_for_log("loaded again: onnxruntime")
    peer.complete_good_pair()
    _, values = peer.diagnostics()
    assert values["reloads"] == "1"


def peer_sees(peer, key, count):
    while int(peer.diagnostics()[1].get(key, 0)) < count:
        pass


def test_a_hanging_engine_of_several_cameras_is_replaced_for_all(start):
    process, front, rear = start("front", "rear")
    send(front, HANGS)
    process.wait_for_log("hung: the engines have not answered for")
    for peer in (rear, front):
        peer.complete_good_pair()
    assert process.stop() == 0
