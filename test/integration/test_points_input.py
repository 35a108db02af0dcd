"""Point clouds that the completion node projects itself."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from lifecycle_msgs.msg import Transition
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2, PointField

from bundles import GREY
from integration.harness import (
    COMMAND,
    HEIGHT,
    NODE,
    WIDTH,
    NodeProcess,
    Peer,
    accounted,
    image_message,
    next_domain,
    pairs_dropped,
    wait_for,
)
from rays import scan

pytestmark = pytest.mark.integration
FOCAL = 80.0  # of the harness's calibration
WALL = 4.0  # m, ahead of camera and LiDAR
LIDAR = (0.2, -0.1, 0.0)  # place in the camera's optical frame


def wall():
    """Points of a wall as the LiDAR sees them, on every eighth row and column of the image."""
    v, u = np.mgrid[4:HEIGHT:8, 4:WIDTH:8].astype(np.float32)
    points = np.stack(
        [WALL * (u - WIDTH / 2) / FOCAL, WALL * (v - HEIGHT / 2) / FOCAL, np.full_like(u, WALL)], -1
    )
    return points.reshape(-1, 3) - np.array(LIDAR, np.float32)


def cloud(points, stamp, names="xyz"):
    message = PointCloud2(
        height=1,
        width=len(points),
        point_step=12,
        row_step=12 * len(points),
        fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate(names)
        ],
    )
    message.header.frame_id = "lidar"
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
    message.data.frombytes(points.astype(np.float32).tobytes())
    return message


class Sender:
    def __init__(self, peer):
        self._peer = peer
        self._points = peer.node.create_publisher(PointCloud2, "points", 5)
        wait_for(self._points.get_subscription_count, "subscription to points")

    def __call__(self, stamp, points=None, names="xyz", with_info=True):
        if with_info:
            self._peer.send_camera_info(stamp)
        self._peer.send_one("image", image_message(), stamp)
        self._points.publish(cloud(wall() if points is None else points, stamp, names))


@pytest.fixture(scope="module")
def projecting(start_node, tiny_bundle):
    process, peer = start_node(
        model=tiny_bundle,
        input__sparse_depth_transport="points",
        extrinsics__source="parameter",
        extrinsics__translation=str(list(LIDAR)),
    )
    send = Sender(peer)
    peer.send_until_completed(send)
    return process, peer, send


def test_completes_with_the_points_of_a_cloud(projecting):
    _, peer, send = projecting
    topics = [topic for topic in peer.received if topic.startswith("/depth")]
    outputs = peer.send_until_completed(send, topics)
    depth = np.frombuffer(outputs["/depth/dense"].data, np.float32)
    np.testing.assert_allclose(depth, WALL * (1 + GREY / 255), rtol=1e-5)
    assert outputs["/depth/points"].width == WIDTH
    _, values = peer.diagnostics()
    assert int(values["sparse points"]) == len(wall())
    assert float(values["latency projection p50 ms"]) > 0
    assert accounted(values, "sparse_depth")


def test_neither_makes_nor_listens_to_sparse_depth(projecting):
    _, peer, _ = projecting
    subscribed = dict(peer.node.get_subscriber_names_and_types_by_node(NODE, "/"))
    assert subscribed["/points"] == ["sensor_msgs/msg/PointCloud2"]
    assert "/sparse_depth" not in subscribed
    published = dict(peer.node.get_publisher_names_and_types_by_node(NODE, "/"))
    assert "/sparse_depth" not in published


@pytest.mark.parametrize(
    ("cause", "bad"),
    [
        ("point_fields", {"names": "xya"}),
        ("no_points_in_image", {"points": -wall()}),
        ("no_points_in_image", {"points": wall()[:0]}),
    ],
)
def test_a_bad_cloud_costs_its_pair_only_and_is_counted(projecting, cause, bad):
    process, peer, send = projecting
    before = int(peer.diagnostics()[1].get(f"dropped {cause}", 0))

    def counted():
        send(peer.new_stamp(), **bad)
        return int(peer.diagnostics()[1].get(f"dropped {cause}", 0)) > before

    wait_for(counted, f"a pair dropped for {cause}")
    process.wait_for_log(f"{cause}: ")
    peer.send_until_completed(send)
    _, values = peer.diagnostics()
    assert int(values["matched"]) == int(values["completed"]) + sum(pairs_dropped(values)) + int(
        values["in work"]
    )


def test_the_pose_of_the_lidar_may_change_between_two_clouds(projecting):
    _, peer, send = projecting

    def set_translation(value):
        parameter = Parameter("extrinsics.translation", value=value)
        request = SetParametersAtomically.Request(parameters=[parameter.to_parameter_msg()])
        result = peer.services.call(
            SetParametersAtomically, "set_parameters_atomically", request
        ).result
        assert result.successful, result.reason

    set_translation([LIDAR[0], LIDAR[1], 1.0])
    outputs = peer.send_until_completed(send)
    depth = np.frombuffer(outputs["/depth/dense"].data, np.float32)
    np.testing.assert_allclose(depth, (WALL + 1) * (1 + GREY / 255), rtol=1e-5)
    set_translation(list(LIDAR))


def test_goes_on_after_a_cleanup(projecting):
    _, peer, send = projecting
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        assert peer.services.change_state(transition)
    send = Sender(peer)
    peer.send_until_completed(send)


def test_without_calibration_it_says_what_is_missing(start_node, tiny_bundle):
    process, peer = start_node(
        model=tiny_bundle,
        input__sparse_depth_transport="points",
        extrinsics__source="parameter",
    )
    send = Sender(peer)

    def told():
        send(peer.new_stamp(), with_info=False)
        return "no_camera_info: no usable camera_info for images of frame" in process.log

    wait_for(lambda: peer.node.count_publishers("/depth/dense"), "publisher of the depth")
    wait_for(told, "a sentence about the calibration")


def test_without_tf2_it_says_what_to_do(start_node, tiny_bundle):
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        process, peer = start_node(model=tiny_bundle, input__sparse_depth_transport="points")
        process.wait_for_log("set extrinsics.source to parameter")
        assert process.running
        assert peer.services.state() == "unconfigured"
    else:
        pytest.skip("tf2_ros is installed")


def test_gives_the_same_depth_as_a_projection_node_in_front(
    start_node, tiny_bundle, projecting, tmp_path
):
    """The same cloud of a street through projection_node and /sparse_depth."""
    _, peer = start_node(model=tiny_bundle)
    command = (sys.executable, "-m", "starrygazer_ros.nodes.projection_node")
    pose = {"extrinsics.source": "parameter", "extrinsics.translation": str(list(LIDAR))}
    domain = peer.node.context.get_domain_id()
    projection = NodeProcess(tmp_path, domain, pose, command)
    points = scan(LIDAR, lines=32).points
    try:
        send = Sender(peer)
        outputs = peer.send_until_completed(lambda stamp: send(stamp, points))
    finally:
        projection.stop()
    subscribed = dict(peer.node.get_subscriber_names_and_types_by_node(NODE, "/"))
    assert "/sparse_depth" in subscribed
    # What others pay for the projection inside: nothing.
    assert not {"/points", "/tf", "/tf_static"} & subscribed.keys()

    _, inside, send = projecting
    expected = inside.send_until_completed(lambda stamp: send(stamp, points))["/depth/dense"]
    assert outputs["/depth/dense"].data == expected.data
    _, values = inside.diagnostics()
    assert int(values["sparse points"]) > 100
    assert int(values["occluded points"]) > 0


def test_every_camera_of_one_process_projects_its_own_points(tmp_path, tiny_bundle):
    domain = next_domain()
    parameters = {
        "model": tiny_bundle,
        "threads": 1,
        "input.sparse_depth_transport": "points",
        "extrinsics.source": "parameter",
    }
    with ExitStack() as stack:
        peers = []
        for camera in ("front", "rear"):
            peers.append(Peer(domain, camera))
            stack.callback(peers[-1].destroy)
        command = (*COMMAND, "--cameras", "front", "rear")
        process = NodeProcess(tmp_path, domain, parameters, command)
        stack.callback(process.stop)
        senders = [Sender(peer) for peer in peers]
        for times, peer, send in zip((1, 2), peers, senders, strict=True):

            def send_wall(stamp, send=send, times=times):
                send(stamp, times * (wall() + np.array(LIDAR, np.float32)))

            outputs = peer.send_until_completed(send_wall)
            depth = np.frombuffer(outputs["/depth/dense"].data, np.float32)
            np.testing.assert_allclose(depth, times * WALL * (1 + GREY / 255), rtol=1e-5)
        assert process.stop() == 0
