from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import CameraInfo

from starrygazer_ros.camera_models import camera_from_message
from starrygazer_ros.messages import UnusableCameraInfoError

POINTS = np.random.default_rng(0).uniform((-3, -2, 4), (3, 2, 20), (100, 3))
D = [-0.3, 0.1, 0.001, -0.002, -0.01]


def info(**values) -> CameraInfo:
    message = CameraInfo(width=640, height=480, distortion_model="plumb_bob")
    message.header.frame_id = "camera"
    message.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    message.p = [400.0, 0.0, 310.0, 0.0, 0.0, 410.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.d = D
    for name, value in values.items():
        target, _, attribute = name.rpartition("__")
        setattr(getattr(message, target) if target else message, attribute, value)
    return message


def pixels(message: CameraInfo, rectified: bool) -> np.ndarray:
    camera = camera_from_message(message, rectified)
    transform = camera.from_frame
    return camera.project(POINTS @ transform[:3, :3].T + transform[:3, 3])


def opencv(rotation=(0.0, 0.0, 0.0), coefficients=D) -> np.ndarray:
    matrix = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
    turn = np.array(rotation)
    return cv2.projectPoints(POINTS, turn, np.zeros(3), matrix, np.array(coefficients))[0][:, 0]


def test_the_rectified_image_is_that_of_p():
    x, y, z = POINTS.T
    expected = np.stack([400 * x / z + 310, 410 * y / z + 230], 1)
    np.testing.assert_allclose(pixels(info(), True), expected)


def test_without_p_the_rectified_image_is_that_of_k():
    x, y, z = POINTS.T
    expected = np.stack([500 * x / z + 320, 510 * y / z + 240], 1)
    np.testing.assert_allclose(pixels(info(p=[0.0] * 12), True), expected)


def test_the_raw_image_is_that_of_k_and_d():
    np.testing.assert_allclose(pixels(info(), False), opencv())


def test_the_raw_image_of_a_stereo_camera_is_turned_back_by_r():
    turn = np.array([0.01, -0.02, 0.03])
    rectification = cv2.Rodrigues(turn)[0]
    message = info(r=rectification.ravel().tolist())
    np.testing.assert_allclose(pixels(message, False), opencv(-turn))
    np.testing.assert_allclose(pixels(info(r=[0.0] * 9), False), opencv())


def test_the_second_camera_of_a_stereo_pair_is_beside_the_first():
    message = info()
    message.p[3] = -40.0
    x, _, z = POINTS.T
    np.testing.assert_allclose(pixels(message, True)[:, 0], 400 * (x - 0.1) / z + 310)


@pytest.mark.parametrize("rectified", [True, False])
def test_binning_and_region_make_the_image(rectified):
    whole = pixels(info(), rectified)
    message = info(
        binning_x=2, binning_y=4, roi__x_offset=100, roi__y_offset=40, roi__width=320,
        roi__height=200,
    )  # fmt: skip
    part = pixels(message, rectified)
    np.testing.assert_allclose(part, (whole - (100, 40)) / (2, 4))
    intrinsics = camera_from_message(message, rectified).intrinsics
    assert (intrinsics.width, intrinsics.height) == (160, 50)


def test_no_model_is_no_distortion_or_that_of_its_coefficients():
    plain = opencv(coefficients=[0.0] * 5)
    np.testing.assert_allclose(pixels(info(distortion_model="", d=[]), False), plain)
    np.testing.assert_allclose(pixels(info(distortion_model=""), False), opencv())


@pytest.mark.parametrize(
    ("message", "rectified", "part"),
    [
        (info(k=[0.0] * 9, p=[0.0] * 12), True, "calibrated"),
        (info(k=[0.0] * 9), False, "calibrated"),
        (info(width=0), True, "size must be positive"),
        (info(p=[np.nan] * 12), True, "NaN or infinite"),
        (info(k=[np.inf, *[0.0] * 8]), True, "NaN or infinite"),
        (info(p=[400.0, 0, 310, 1e300, 0, 410, 230, 0, 0, 0, 1, 0]), True, "m away"),
        (info(roi__width=2**31, roi__height=2**31), True, "more than 50,000,000 pixels"),
        (info(width=2**31, height=2**31, roi__width=8, roi__height=8), True, "more than"),
        (info(d=[np.nan] * 5), False, "finite"),
        (info(distortion_model="thin_prism"), False, "'thin_prism' is not known"),
        (info(r=[2.0] * 9), False, "no rotation"),
        (info(binning_x=1000), True, "size must be positive"),
    ],
)
def test_a_calibration_that_cannot_be_used_is_refused(message, rectified, part):
    with pytest.raises(UnusableCameraInfoError, match="frame 'camera' cannot be used.*" + part):
        camera_from_message(message, rectified)
