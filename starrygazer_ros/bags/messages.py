"""Arrays to messages as rosbags writes them."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.bags.recording import TYPES
from starrygazer_ros.calibration import Calibration
from starrygazer_ros.clouds import Cloud

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
TF_MESSAGE = "tf2_msgs/msg/TFMessage"

_Image, _PointCloud2, _PointField, _RegionOfInterest = (
    TYPES.types[f"sensor_msgs/msg/{name}"]
    for name in ("Image", "PointCloud2", "PointField", "RegionOfInterest")
)
_BIG_ENDIAN = sys.byteorder == "big"
_FLOAT32 = 7  # of PointField


def image_message(values: NDArray, header: Any, encoding: str) -> Any:  # type: ignore[type-arg]
    """A sensor_msgs/Image of one channel, [H, W]."""
    height, width = values.shape
    return _Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(_BIG_ENDIAN),
        step=width * values.itemsize,
        data=_bytes(values),
    )


def camera_info_message(calibration: Calibration, header: Any, size: tuple[int, int]) -> Any:
    """The same calibration under another header and for an image of another size.

    Args:
        calibration: of the bag's camera image.
        header: of the new message.
        size: rows and columns; all else follows as that of the node does.
    """
    camera_info: Any = calibration.camera_info
    if size == (calibration.intrinsics.height, calibration.intrinsics.width):
        return dataclasses.replace(camera_info, header=header)
    k, p = calibration.matrices(size)
    whole = _RegionOfInterest(
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=camera_info.roi.do_rectify
    )
    return dataclasses.replace(
        camera_info,
        header=header,
        height=size[0],
        width=size[1],
        k=k,
        p=p,
        binning_x=0,
        binning_y=0,
        roi=whole,
    )


def cloud_message(cloud: Cloud, header: Any) -> Any:
    """A sensor_msgs/PointCloud2 in the frame of the header."""
    height, width, step = cloud.layout
    return _PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=[
            _PointField(name=name, offset=offset, datatype=_FLOAT32, count=1)
            for name, offset in cloud.offsets.items()
        ],
        is_bigendian=_BIG_ENDIAN,
        point_step=step,
        row_step=step * width,
        data=_bytes(cloud.points),
        is_dense=cloud.is_dense,
    )


def _bytes(values: NDArray) -> NDArray[np.uint8]:  # type: ignore[type-arg]
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
