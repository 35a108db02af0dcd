"""CameraInfo to the camera into whose image points are projected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.completion.cameras import Camera, raw_camera, rectified_camera
from starrygazer_ros.messages import (
    LARGEST_IMAGE,
    LARGEST_SIDE,
    UnusableCameraInfoError,
    intrinsics_from_message,
)

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo


def camera_from_message(message: CameraInfo, rectified: bool) -> Camera:
    """Camera of the image that belongs to a CameraInfo, with its binning and region of interest.

    Points are taken to be in the rectified frame, as image_geometry does it: R only turns them back
    into the raw image.

    Args:
        message: its distortion model may be empty where there is no distortion.
        rectified: of the rectified image: P, or K where P is not set; otherwise of the raw image.

    Raises:
        UnusableCameraInfoError: no usable calibration; says what is wrong with it.
    """
    intrinsics_from_message(message)  # what no camera has
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # absurd numbers are refused below
            return _rectified(message) if rectified else _raw(message)
    except ValueError as error:
        raise UnusableCameraInfoError(
            f"camera_info of frame '{message.header.frame_id}' cannot be used: {error}"
        ) from error


def _rectified(message: CameraInfo) -> Camera:
    projection = np.array(message.p, np.float64).reshape(3, 4)
    if projection[0, 0] == 0:
        projection = np.c_[np.array(message.k, np.float64).reshape(3, 3), np.zeros(3)]
    width, height = image_size(message)
    return rectified_camera(sensor_to_image(message) @ projection, width, height)


def _raw(message: CameraInfo) -> Camera:
    matrix = sensor_to_image(message) @ np.array(message.k, np.float64).reshape(3, 3)
    width, height = image_size(message)
    intrinsics = Intrinsics(
        float(matrix[0, 0]),
        float(matrix[1, 1]),
        float(matrix[0, 2]),
        float(matrix[1, 2]),
        width,
        height,
    )
    rectification = np.array(message.r, np.float64).reshape(3, 3)
    return raw_camera(
        intrinsics,
        message.distortion_model or ("plumb_bob" if len(message.d) else "pinhole"),
        list(message.d),
        rectification if rectification.any() else None,
    )


def image_size(message: CameraInfo) -> tuple[int, int]:
    """Width and height of the image; those of the message are of the sensor.

    Raises:
        UnusableCameraInfoError: more than ``LARGEST_IMAGE`` pixels or ``LARGEST_SIDE`` in a row or
            column, of the image or the sensor.
    """
    width, height = message.roi.width or message.width, message.roi.height or message.height
    largest = max(width * height, message.width * message.height)
    if largest > LARGEST_IMAGE or max(width, height, message.width, message.height) > LARGEST_SIDE:
        raise UnusableCameraInfoError(
            f"camera_info of frame '{message.header.frame_id}' cannot be used: it is of a sensor "
            f"of {message.width}x{message.height} and a part of {width}x{height}, more than "
            f"{LARGEST_IMAGE:,} pixels or {LARGEST_SIDE:,} on a side"
        )
    return width // max(1, message.binning_x), height // max(1, message.binning_y)


def sensor_to_image(message: CameraInfo) -> np.ndarray:
    """From pixels of the sensor to those of the image, [3, 3]."""
    across, down = max(1, message.binning_x), max(1, message.binning_y)
    return np.array(
        [
            [1 / across, 0, -message.roi.x_offset / across],
            [0, 1 / down, -message.roi.y_offset / down],
            [0, 0, 1],
        ]
    )
