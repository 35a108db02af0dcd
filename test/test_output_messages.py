from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from starrygazer_ros.calibration import of_image
from starrygazer_ros.clouds import Cloud
from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.messages import intrinsics_from_message
from starrygazer_ros.output_messages import (
    camera_info_to_message,
    cloud_to_message,
    depth_to_message,
)


def make_header():
    header = Header(frame_id="camera")
    header.stamp.sec = 7
    return header


def test_writes_depth_in_metres_with_nan_as_it_is():
    depth = np.array([[1.25, np.nan]], np.float32)
    message = depth_to_message(depth, make_header(), "32FC1")
    assert (message.encoding, message.height, message.width, message.step) == ("32FC1", 1, 2, 8)
    assert message.header == make_header()
    assert np.array_equal(np.frombuffer(message.data, np.float32), depth[0], equal_nan=True)


def test_writes_depth_in_millimetres_with_zero_for_what_cannot_be_said():
    depth = np.array([[1.2345, np.nan, 65.535, 65.6, 1e9, 65.534]], np.float32)
    message = depth_to_message(depth, make_header(), "16UC1")
    assert (message.encoding, message.step) == ("16UC1", 12)
    assert np.frombuffer(message.data, np.uint16).tolist() == [1234, 0, 0, 0, 0, 65534]


def test_rewrites_only_the_header_of_a_camera_info():
    info = CameraInfo(width=64, height=48)
    info.k = [70.0, 0.0, 32.0, 0.0, 70.0, 24.0, 0.0, 0.0, 1.0]
    info.p = [80.0, 0.0, 32.0, 0.0, 0.0, 80.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.d = [0.1, 0.2]
    info.distortion_model = "plumb_bob"
    copy = camera_info_to_message(of_image(info), make_header(), (48, 64))
    assert copy.header == make_header()
    assert info.header.frame_id == ""
    copy.header = info.header
    assert copy == info


def test_camera_info_of_another_size_projects_to_the_same_place():
    info = CameraInfo(width=640, height=480)
    info.k = [500.0, 0.0, 310.0, 0.0, 510.0, 250.0, 0.0, 0.0, 1.0]
    info.p = [490.0, 0.0, 311.0, -49.0, 0.0, 505.0, 251.0, 5.0, 0.0, 0.0, 1.0, 0.0]
    info.roi.width, info.roi.height, info.roi.do_rectify = 640, 480, True
    half = camera_info_to_message(of_image(info), make_header(), (240, 160))
    assert (half.height, half.width) == (240, 160)
    point = np.array([0.3, -0.2, 2.0, 1.0])
    u, v, depth = np.reshape(info.p, (3, 4)) @ point
    small_u, small_v, small_depth = np.reshape(half.p, (3, 4)) @ point
    expected = ((u / depth + 0.5) / 4 - 0.5, (v / depth + 0.5) / 2 - 0.5)
    assert (small_u / small_depth, small_v / small_depth) == pytest.approx(expected)
    assert intrinsics_from_message(half) == intrinsics_from_message(info).scaled(240, 160)
    assert np.reshape(half.k, (3, 3))[2] == pytest.approx([0, 0, 1])
    assert (half.roi.width, half.roi.height, half.roi.do_rectify) == (0, 0, True)
    assert info.k[0] == 500.0  # the one of the camera stays


def test_camera_info_of_a_binned_image_stays_as_it_is_and_loses_its_binning_when_scaled():
    info = CameraInfo(width=640, height=480, binning_x=2, binning_y=2)
    info.k = [500.0, 0.0, 310.0, 0.0, 510.0, 250.0, 0.0, 0.0, 1.0]
    info.p = [500.0, 0.0, 310.0, 0.0, 0.0, 510.0, 250.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.roi.x_offset, info.roi.y_offset = 40, 80
    info.roi.width, info.roi.height = 400, 320
    calibration = of_image(info)
    whole = camera_info_to_message(calibration, make_header(), (160, 200))
    assert (whole.width, whole.height, whole.binning_x) == (640, 480, 2)
    assert whole.roi == info.roi
    half = camera_info_to_message(calibration, make_header(), (80, 100))
    assert (half.width, half.height, half.binning_x, half.roi.width) == (100, 80, 0, 0)
    # The axis meets the sensor at 310, 250, the image at 135, 85, half of it a quarter left above.
    assert intrinsics_from_message(half) == Intrinsics(125.0, 127.5, 67.25, 42.25, 100, 80)


def test_writes_a_cloud_with_its_fields():
    points = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    names = ("x", "y", "z", "intensity")
    message = cloud_to_message(Cloud(points, names, is_dense=True), make_header())
    assert (message.height, message.width, message.point_step, message.row_step) == (2, 3, 16, 48)
    assert [(field.name, field.offset) for field in message.fields] == [
        ("x", 0),
        ("y", 4),
        ("z", 8),
        ("intensity", 12),
    ]
    assert {(field.datatype, field.count) for field in message.fields} == {(7, 1)}  # FLOAT32
    assert message.is_dense is True
    assert message.header == make_header()
    np.testing.assert_array_equal(np.frombuffer(message.data, np.float32), points.ravel())
