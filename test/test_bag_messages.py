"""Messages for bags are those that the node publishes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")
pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

import recordings
from starrygazer_ros import output_messages
from starrygazer_ros.bags import messages
from starrygazer_ros.bags.recording import TYPES
from starrygazer_ros.calibration import of_image
from starrygazer_ros.clouds import CloudOptions, make_cloud
from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.depth_encodings import encode_depth

ROS_HEADER = Header(frame_id="camera")
ROS_HEADER.stamp.sec, ROS_HEADER.stamp.nanosec = 1_700_000_000, 123_456_789
HEADER = recordings.header(1_700_000_000_123_456_789, "camera")
RANDOM = np.random.default_rng(0)
DEPTH = RANDOM.uniform(1, 9, (12, 16)).astype(np.float32)
DEPTH[3, 4] = np.nan


def assert_equal(message, ours):
    content = bytes(TYPES.serialize_cdr(ours, ours.__msgtype__))
    assert len(content) == len(serialize_message(message))  # Fast DDS fills the gaps with anything
    assert deserialize_message(content, type(message)) == message


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_depth_images(encoding):
    ours = messages.image_message(encode_depth(DEPTH, encoding), HEADER, encoding)
    assert_equal(output_messages.depth_to_message(DEPTH, ROS_HEADER, encoding), ours)


@pytest.mark.parametrize("fields", ["xyz", "xyzrgb", "xyzi"])
@pytest.mark.parametrize("organized", [True, False])
def test_clouds(fields, organized):
    image = RANDOM.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    confidence = RANDOM.uniform(0, 1, DEPTH.shape).astype(np.float32)
    options = CloudOptions(fields=fields, organized=organized)
    cloud = make_cloud(DEPTH, image, confidence, Intrinsics(20, 20, 8, 6, 16, 12), options)
    assert_equal(
        output_messages.cloud_to_message(cloud, ROS_HEADER), messages.cloud_message(cloud, HEADER)
    )


@pytest.mark.parametrize("size", [(recordings.HEIGHT, recordings.WIDTH), (16, 24)])
def test_camera_infos(size):
    recorded = recordings.camera_info(recordings.START)
    content = bytes(TYPES.serialize_cdr(recorded, recorded.__msgtype__))
    received = deserialize_message(content, CameraInfo)
    assert_equal(
        output_messages.camera_info_to_message(of_image(received), ROS_HEADER, size),
        messages.camera_info_message(of_image(recorded), HEADER, size),
    )
