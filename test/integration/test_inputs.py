"""Compressed inputs, and sparse depth of another size than the image, through a real node."""

from __future__ import annotations

import struct
from array import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from sensor_msgs.msg import CameraInfo, CompressedImage

from bundles import GREY, expected_depth
from integration.harness import (
    FRAME,
    HEIGHT,
    WIDTH,
    image_message,
    sparse_depth_array,
    sparse_depth_message,
    wait_for,
)

pytestmark = pytest.mark.integration


def compressed(pixels, format, nanoseconds, kept=None):
    """A PNG, or its first bytes."""
    made = CompressedImage(format=format)
    made.header.stamp.sec, made.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    made.header.frame_id = FRAME
    done, data = cv2.imencode(".png", pixels)
    assert done
    made.data.frombytes(data.tobytes()[:kept])
    return made


def test_completes_compressed_images_and_sparse_depth(start_node, tiny_bundle):
    process, peer = start_node(
        model=tiny_bundle,
        input__image_transport="compressed",
        input__sparse_depth_transport="compressed",
    )
    publishers = {
        topic: peer.node.create_publisher(CompressedImage, f"{topic}/compressed", 5)
        for topic in ("image", "sparse_depth")
    }
    for topic, publisher in publishers.items():
        wait_for(publisher.get_subscription_count, f"subscription to {topic}/compressed")
    metres = sparse_depth_array()
    grey = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)

    def send(stamp, kept=None):
        peer.send_camera_info(stamp)
        depth = (1000 * metres).astype(np.uint16)
        image = compressed(grey, "rgb8; png compressed bgr8", stamp, kept)
        publishers["image"].publish(image)
        publishers["sparse_depth"].publish(compressed(depth, "16UC1; png compressed ", stamp))

    topics = [topic for topic in peer.received if topic.startswith("/depth")]
    outputs = peer.send_until_completed(send, topics)
    depth = np.frombuffer(outputs["/depth/dense"].data, np.float32)
    assert np.allclose(depth, expected_depth(metres), rtol=1e-5)
    assert outputs["/depth/points"].width == WIDTH

    def told():
        send(peer.new_stamp(), kept=20)
        return int(peer.diagnostics()[1].get("dropped compressed_image", 0)) >= 1

    wait_for(told, "a count of the damaged image")
    assert "compressed_image: image" in process.log
    peer.send_until_completed(send)


def test_moves_sparse_depth_of_another_size_into_the_image(start_node, tiny_bundle):
    process, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()
    calibration = peer.node.create_publisher(CameraInfo, "sparse_depth/camera_info", 5)
    wait_for(calibration.get_subscription_count, "subscription to sparse_depth/camera_info")
    small = sparse_depth_array(WIDTH // 2, HEIGHT // 2)

    def send(stamp):
        peer.send_camera_info(stamp)
        peer.send_pair(image_message(GREY), sparse_depth_message(small), stamp)

    def told():
        send(peer.new_stamp())
        return int(peer.diagnostics()[1].get("dropped size_mismatch", 0)) >= 1

    wait_for(told, "a count of the size that does not match")
    assert "sparse_depth/camera_info" in process.log  # how to mend it
    info = CameraInfo(height=HEIGHT // 2, width=WIDTH // 2)
    info.header.frame_id = FRAME
    info.k = [40.0, 0.0, WIDTH / 4 - 0.25, 0.0, 40.0, HEIGHT / 4 - 0.25, 0.0, 0.0, 1.0]
    calibration.publish(info)

    outputs = peer.send_until_completed(send)
    depth = np.frombuffer(outputs["/depth/dense"].data, np.float32)
    assert np.allclose(depth, expected_depth(small), rtol=1e-5)
    _, values = peer.diagnostics()
    assert values["sparse points"] == str(np.count_nonzero(small))


def test_size_and_calibration_may_change_from_one_frame_to_the_next(start_node, tiny_bundle):
    process, peer = start_node(model=tiny_bundle)
    peer.wait_until_connected()
    calibration = peer.node.create_publisher(CameraInfo, "camera_info", 5)
    wait_for(calibration.get_subscription_count, "subscription to camera_info")
    topics = [topic for topic in peer.received if topic.startswith("/depth")]

    for width, height, focal in ((96, 64, 80.0), (64, 48, 50.0), (96, 64, 90.0)):
        metres = sparse_depth_array(width, height)
        info = CameraInfo(width=width, height=height)
        info.header.frame_id = FRAME
        info.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
        calibration.publish(info)

        def send(stamp, width=width, height=height, metres=metres):
            image = image_message(GREY, width, height)
            peer.send_pair(image, sparse_depth_message(metres), stamp)

        def outputs_of(focal=focal, send=send):
            outputs = peer.send_until_completed(send, topics)
            # The first of them may have overtaken its calibration, which is another topic.
            return outputs if outputs["/depth/camera_info"].k[0] == focal else None

        outputs = wait_for(outputs_of, f"outputs with a focal length of {focal}")
        for topic in topics:
            assert (outputs[topic].width, outputs[topic].height) == (width, height)
        depth = np.frombuffer(outputs["/depth/dense"].data, np.float32)
        assert np.allclose(depth, expected_depth(metres), rtol=1e-5)
        corner = np.frombuffer(outputs["/depth/points"].data, np.float32)[:3]
        assert corner[:2] == pytest.approx(np.array([-width, -height]) / 2 * depth[0] / focal)
    assert process.running


def test_reads_compressed_depth_and_refuses_half_an_image(start_node, tiny_bundle):
    process, peer = start_node(
        model=tiny_bundle,
        input__image_transport="compressed",
        input__sparse_depth_transport="compressedDepth",
    )
    image = peer.node.create_publisher(CompressedImage, "image/compressed", 5)
    sparse_depth = peer.node.create_publisher(CompressedImage, "sparse_depth/compressedDepth", 5)
    for publisher in (image, sparse_depth):
        wait_for(publisher.get_subscription_count, f"subscription to {publisher.topic_name}")
    metres = sparse_depth_array()
    jpeg = cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), GREY, np.uint8))[1].tobytes()

    def send(stamp, kept=None):
        depth = compressed((1000 * metres).astype(np.uint16), "16UC1; compressedDepth png", stamp)
        depth.data = array("B", struct.pack("<iff", 0, 0.0, 0.0) + depth.data.tobytes())
        photograph = CompressedImage(header=depth.header, format="bgr8; jpeg compressed bgr8")
        photograph.data.frombytes(jpeg[:kept])
        image.publish(photograph)
        sparse_depth.publish(depth)

    outputs = peer.send_until_completed(send)
    depth = np.frombuffer(outputs["/depth/dense"].data, np.float32)
    assert np.allclose(depth, expected_depth(metres), rtol=1e-5)

    def told():
        send(peer.new_stamp(), kept=-2)
        return int(peer.diagnostics()[1].get("dropped compressed_image", 0)) >= 1

    wait_for(told, "a count of the image without its end")
    assert "damaged or were cut off" in process.log
