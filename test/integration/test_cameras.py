"""``completion_node --cameras``: one process, a node per namespace."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from integration.harness import COMMAND, REPOSITORY, NodeProcess, Peer, next_domain, wait_for

pytestmark = pytest.mark.integration


def test_every_camera_has_its_own_topics_and_both_are_served(tmp_path, tiny_bundle):
    domain = next_domain()
    with ExitStack() as stack:
        peers = []
        for camera in ("front", "robot/rear"):
            peers.append(Peer(domain, camera))
            stack.callback(peers[-1].destroy)
        command = (*COMMAND, "--cameras", "front", "/robot/rear")
        process = NodeProcess(tmp_path, domain, {"model": tiny_bundle, "threads": 1}, command)
        stack.callback(process.stop)
        process.wait_for_log("self-check", count=2)
        for peer in peers:
            peer.wait_until_connected()
        for grey in (51, 102):
            for peer in peers:
                peer.complete_good_pair(grey=grey)
        assert [peer.services.state() for peer in peers] == ["active", "active"]
        ids = {
            "/front/completion_node",
            "/robot/rear/completion_node",
        }

        def reporting():
            messages = peers[0].received["/diagnostics"]
            return ids <= {message.status[0].hardware_id for message in messages}

        wait_for(reporting, "diagnostics of both nodes")
        assert process.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--cameras", "front", "rear", "/front"], "names front twice"),
        (["--cameras", "no spaces"], "refused to start: Invalid namespace"),
        (["--cameras", "front", "rear", "--ros-args", "-r", "__ns:=/robot"], "2 nodes are called"),
        (["--camera"], "expected at least one argument"),
    ],
)
def test_names_that_cannot_be_are_refused_in_one_line(arguments, part):
    result = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, cwd=REPOSITORY, timeout=60
    )
    assert result.returncode in (1, 2)
    assert part in result.stderr
    assert "Traceback" not in result.stderr
