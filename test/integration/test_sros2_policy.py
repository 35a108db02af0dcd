"""The SROS 2 policy allows the nodes what they do, and nothing else."""

from __future__ import annotations

import sys
import time
from xml.etree import ElementTree

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from integration.harness import REPOSITORY, NodeProcess, Peer, next_domain, wait_for

pytestmark = pytest.mark.integration

POLICY = REPOSITORY / "config" / "sros2_policy.xml"
COMPLETION, PROJECTION = "completion_node", "projection_node"
REMAPPED = {  # as complete.launch.py does
    COMPLETION: {
        "image": "/camera/image_rect",
        "camera_info": "/camera/camera_info",
        "sparse_depth": "/lidar/sparse_depth",
        "sparse_depth/camera_info": "/lidar/sparse_depth/camera_info",
        "points": "/lidar/points",
    },
    PROJECTION: {
        "points": "/lidar/points",
        "camera_info": "/camera/camera_info",
        "sparse_depth": "/lidar/sparse_depth",
    },
}
OF_POINTS = {"extrinsics.source": "parameter", "use_sim_time": True}
MODES = {
    COMPLETION: [{}, {"input.sparse_depth_transport": "points", **OF_POINTS}],
    PROJECTION: [OF_POINTS],
}
OF_TF2 = {"/tf", "/tf_static"}  # with extrinsics.source: tf, which needs tf2_ros
NOT_IN_HUMBLE = {"get_type_description"}
LISTS = {
    ("topic", "publish"): "get_publisher_names_and_types_by_node",
    ("topic", "subscribe"): "get_subscriber_names_and_types_by_node",
    ("service", "reply"): "get_service_names_and_types_by_node",
}


def allowed(node: str) -> dict[tuple[str, str], set[str]]:
    """Names by kind and permission."""
    found: dict[tuple[str, str], set[str]] = {key: set() for key in LISTS}
    profile = ElementTree.parse(POLICY).find(f".//profile[@node='{node}']")
    assert profile is not None
    for group in profile:
        kind = group.tag.removesuffix("s")
        for permission, word in group.attrib.items():
            assert word == "ALLOW"
            found[kind, permission] |= {entry.text or "" for entry in group}
    return found


def wait_for_all_names(peer: Peer, node: str) -> dict[tuple[str, str], set[str]]:
    """What the node has, as soon as nothing more is discovered for a second."""

    def names() -> dict[tuple[str, str], set[str]]:
        return {
            key: {name for name, _ in getattr(peer.node, method)(node, "/")}
            for key, method in LISTS.items()
        }

    wait_for(lambda: node in peer.node.get_node_names(), "the node")
    found = names()
    while True:
        time.sleep(1.0)
        before, found = found, names()
        if found == before and all(found.values()):
            return found


@pytest.mark.parametrize("node", [COMPLETION, PROJECTION])
def test_the_policy_is_what_the_running_node_does(tmp_path, tiny_bundle, node):
    used: dict[tuple[str, str], set[str]] = {key: set() for key in LISTS}
    for parameters in MODES[node]:
        domain = next_domain()
        remappings = [
            word for pair in REMAPPED[node].items() for word in ("-r", "{}:={}".format(*pair))
        ]
        command = [sys.executable, "-m", f"starrygazer_ros.nodes.{node}", "--ros-args"]
        model = {"model": tiny_bundle} if node == COMPLETION else {}
        peer = Peer(domain)
        process = NodeProcess(tmp_path, domain, {**model, **parameters}, [*command, *remappings])
        try:
            process.wait_for_log("active:")
            for key, names in wait_for_all_names(peer, node).items():
                used[key] |= names
        finally:
            process.stop()
            peer.destroy()
    for key, names in allowed(node).items():
        if key == ("topic", "subscribe"):
            assert names >= OF_TF2
            names -= OF_TF2
        missing = names - used[key]
        assert used[key] <= names, f"{key} not allowed"
        assert {name.rsplit("/")[-1] for name in missing} <= NOT_IN_HUMBLE, f"{key} not needed"
