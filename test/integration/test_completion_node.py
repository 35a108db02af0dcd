from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from bundles import GREY, expected_depth
from integration.harness import (
    FRAME,
    HEIGHT,
    WIDTH,
    accounted,
    pairs_dropped,
    sparse_depth_array,
    wait_for,
)

pytestmark = pytest.mark.integration


def test_completes_a_good_pair_with_the_headers_of_the_image(running):
    _, peer = running
    outputs = peer.complete_good_pair(grey=GREY)

    dense = outputs["/depth/dense"]
    assert (dense.encoding, dense.width, dense.height) == ("32FC1", WIDTH, HEIGHT)
    depth = np.frombuffer(dense.data, np.float32)
    assert np.allclose(depth, expected_depth(sparse_depth_array()), rtol=1e-5)
    info = outputs["/depth/camera_info"]
    assert (info.width, info.height, info.k[0], info.p[0]) == (WIDTH, HEIGHT, 80.0, 80.0)
    cloud = outputs["/depth/points"]
    assert (cloud.width, cloud.height, cloud.is_dense) == (WIDTH, HEIGHT, True)
    confidence = np.frombuffer(outputs["/depth/confidence"].data, np.float32)
    assert np.allclose(confidence, GREY / 255, atol=1e-3)
    assert {message.header.frame_id for message in outputs.values()} == {FRAME}


def test_marks_unknown_depth_as_nan_and_not_as_zero(running):
    _, peer = running
    outputs = peer.complete_good_pair(grey=0)
    assert np.isnan(np.frombuffer(outputs["/depth/dense"].data, np.float32)).all()
    assert outputs["/depth/points"].is_dense is False


def test_publishes_depth_but_no_cloud_while_camera_info_is_missing(start_node, tiny_bundle):
    from integration.harness import image_message, sparse_depth_message

    process, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()

    def told():
        peer.send_until_completed(
            lambda stamp: peer.send_pair(image_message(), sparse_depth_message(), stamp)
        )
        return "no_camera_info: " in process.log

    wait_for(told, "depth and a log line for no_camera_info")
    assert not peer.received["/depth/points"]
    _, values = peer.diagnostics()
    assert int(values["warning no_camera_info"]) >= 1

    peer.complete_good_pair()  # with camera_info, and so with a cloud


def test_publishes_16uc1_and_unorganised_clouds_on_request(start_node, tiny_bundle):
    _, peer = start_node(model=tiny_bundle, depth_encoding="16UC1", points__organized="false")
    peer.wait_until_connected()
    outputs = peer.complete_good_pair(grey=GREY)
    dense = outputs["/depth/dense"]
    assert dense.encoding == "16UC1"
    millimetres = np.frombuffer(dense.data, np.uint16)
    assert (millimetres == round(1000 * expected_depth(sparse_depth_array()))).all()
    cloud = outputs["/depth/points"]
    assert (cloud.height, cloud.width) == (1, WIDTH * HEIGHT)


def test_outputs_of_half_the_size_belong_together(start_node, tiny_bundle):
    _, peer = start_node(
        model=tiny_bundle, output__scale=0.5, points__fields="xyzi", points__stride=2
    )
    peer.wait_until_connected()
    outputs = peer.complete_good_pair(grey=GREY)
    height, width = HEIGHT // 2, WIDTH // 2
    for topic in ("/depth/dense", "/depth/camera_info", "/depth/confidence"):
        assert (outputs[topic].height, outputs[topic].width) == (height, width)
    info, cloud = outputs["/depth/camera_info"], outputs["/depth/points"]
    assert (info.k[0], info.k[2]) == (40.0, (WIDTH / 2 + 0.5) / 2 - 0.5)
    assert (cloud.height, cloud.width) == (height // 2, width // 2)
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "intensity"]
    first = np.frombuffer(cloud.data, np.float32)[:4]
    metres = expected_depth(sparse_depth_array())
    x, y = -info.p[2] / info.p[0] * metres, -info.p[6] / info.p[5] * metres
    assert first == pytest.approx([x, y, metres, GREY / 255], rel=1e-3)


def test_accounts_for_every_frame_in_diagnostics(running):
    from integration.harness import image_message

    _, peer = running
    peer._image.publish(image_message())  # stamp 0: long ago, and without a partner
    peer.complete_good_pair()

    def settled():
        status, values = peer.diagnostics()
        return (status, values) if values["in work"] == "0" else None

    status, values = wait_for(settled, "no pair in work")
    assert accounted(values, "image")
    assert accounted(values, "sparse_depth")
    dropped = pairs_dropped(values)
    assert min(dropped) >= 0
    assert int(values["matched"]) == int(values["completed"]) + sum(dropped)
    assert int(values["received image"]) > int(values["matched"]) > 0
    assert values["sparse points"] == str(np.count_nonzero(sparse_depth_array()))
    assert values["model"] == "tiny 0.0.1"
    assert "onnxruntime" in values["backend"]
    for stage in ("mde", "refinement", "completer", "node"):
        p50, p95 = (float(values[f"latency {stage} p{p} ms"]) for p in (50, 95))
        assert 0 < p50 <= p95
    assert status.hardware_id == "/completion_node"


def test_does_nothing_while_nobody_listens(start_node, tiny_bundle):
    from integration.harness import image_message, sparse_depth_message

    _, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()
    for subscription in list(peer.node.subscriptions):
        if subscription.topic_name.startswith("/depth"):
            peer.node.destroy_subscription(subscription)

    def unwanted():
        stamp = peer.new_stamp()
        peer.send_pair(image_message(), sparse_depth_message(), stamp)
        _, values = peer.diagnostics()
        return int(values["dropped no_subscriber"]) > 0

    wait_for(unwanted, "a pair that nobody wanted")


def test_publishes_camera_info_to_whom_wants_nothing_else(start_node, tiny_bundle):
    from integration.harness import image_message, sparse_depth_message

    _, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()
    for subscription in list(peer.node.subscriptions):
        if subscription.topic_name in ("/depth/dense", "/depth/points", "/depth/confidence"):
            peer.node.destroy_subscription(subscription)

    def send(stamp):
        peer.send_camera_info(stamp)
        peer.send_pair(image_message(), sparse_depth_message(), stamp)

    outputs = peer.send_until_completed(send, ["/depth/camera_info"])
    assert outputs["/depth/camera_info"].k[0] == 80.0
