"""Arrays to sensor_msgs, for the publishers."""

from __future__ import annotations

import sys
from array import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import Header

from starrygazer_ros.calibration import Calibration
from starrygazer_ros.clouds import Cloud
from starrygazer_ros.depth_encodings import METRES, encode_depth

BIG_ENDIAN_HOST = sys.byteorder == "big"


def rgb_to_message(image: NDArray[np.uint8], header: Header) -> Image:
    """``rgb8`` image of uint8 [H, W, 3] RGB."""
    height, width, channels = image.shape
    return Image(
        header=header,
        height=height,
        width=width,
        encoding="rgb8",
        step=width * channels,
        data=array("B", image.tobytes()),
    )


def depth_to_message(depth: NDArray[np.float32], header: Header, encoding: str) -> Image:
    """Dense depth as an image message.

    Args:
        depth: float32 [H, W] metres, NaN = unknown.
        header: header of the camera image.
        encoding: see :func:`encode_depth`.
    """
    return _single_channel(encode_depth(depth, encoding), header, encoding)


def confidence_to_message(confidence: NDArray[np.float32], header: Header) -> Image:
    """Confidence, float32 [H, W] in 0..1, as a 32FC1 image."""
    return _single_channel(confidence, header, METRES)


def camera_info_to_message(
    calibration: Calibration, header: Header, size: tuple[int, int]
) -> CameraInfo:
    """The same calibration under another header.

    Args:
        calibration: of the camera's image; its arrays may be shared.
        header: of the new message.
        size: rows and columns of an image that shows the same, perhaps with other pixels. Then K
            and P are those of :meth:`Calibration.matrices`, without binning and region of interest.
    """
    camera_info, intrinsics = calibration.camera_info, calibration.intrinsics
    copy = CameraInfo(header=header, height=camera_info.height, width=camera_info.width)
    for name in ("distortion_model", "d", "k", "r", "p", "binning_x", "binning_y", "roi"):
        setattr(copy, name, getattr(camera_info, name))
    if size == (intrinsics.height, intrinsics.width):
        return copy
    copy.height, copy.width = size
    copy.k, copy.p = calibration.matrices(size)
    copy.binning_x = copy.binning_y = 0
    copy.roi = RegionOfInterest(do_rectify=camera_info.roi.do_rectify)
    return copy


def cloud_to_message(cloud: Cloud, header: Header) -> PointCloud2:
    """A point cloud as a message.

    Args:
        cloud: in the frame of the header.
        header: header of the camera image.
    """
    height, width, step = cloud.layout
    message = PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=[
            PointField(name=name, offset=offset, datatype=PointField.FLOAT32, count=1)
            for name, offset in cloud.offsets.items()
        ],
        is_bigendian=BIG_ENDIAN_HOST,
        point_step=step,
        row_step=step * width,
        is_dense=cloud.is_dense,
    )
    _append(cloud.points, message.data)
    return message


def _single_channel(values: NDArray, header: Header, encoding: str) -> Image:  # type: ignore[type-arg]
    height, width = values.shape
    message = Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=BIG_ENDIAN_HOST,
        step=width * values.itemsize,
    )
    _append(values, message.data)
    return message


def _append(values: NDArray, data: array[int]) -> None:  # type: ignore[type-arg]
    """Write into a new message's own array; its setter would copy, check or refuse."""
    if values.size:
        data.frombytes(memoryview(np.ascontiguousarray(values)).cast("B"))
