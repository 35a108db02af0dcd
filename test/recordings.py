"""Small rosbag2 recordings with a known answer, written by rosbags."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bundles import GREY

STORE = get_typestore(Stores.ROS2_HUMBLE)
HEIGHT, WIDTH = 64, 96
FOCAL = 80.0
START = 1_700_000_000_000_000_000
PERIOD = 100_000_000  # ns
CAMERA, LIDAR = "camera_optical_frame", "lidar"
RELIABLE_LATCHED = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    QosTime(0, 0),
    QosTime(0, 0),
    QosLiveliness.AUTOMATIC,
    QosTime(0, 0),
    False,
)


def make(kind: str, **fields: Any) -> Any:
    """A message, for example ``make("sensor_msgs/msg/Image", ...)``."""
    return STORE.types[kind](**fields)


def header(stamp: int, frame: str = CAMERA) -> Any:
    sec, nanosec = divmod(stamp, 10**9)
    time = make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return make("std_msgs/msg/Header", stamp=time, frame_id=frame)


def image(stamp: int, grey: int = GREY, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Any:
    return make(
        "sensor_msgs/msg/Image",
        header=header(stamp),
        height=size[0],
        width=size[1],
        encoding="rgb8",
        is_bigendian=0,
        step=3 * size[1],
        data=np.full(3 * size[0] * size[1], grey, np.uint8),
    )


def compressed_image(stamp: int, grey: int = GREY) -> Any:
    _, data = cv2.imencode(".png", np.full((HEIGHT, WIDTH, 3), grey, np.uint8))
    return make(
        "sensor_msgs/msg/CompressedImage",
        header=header(stamp),
        format="rgb8; png compressed bgr8",
        data=data.ravel(),
    )


def depths(seed: int) -> np.ndarray:
    """Sparse depth [H, W] with 60 points from 2 to 6 m."""
    random = np.random.default_rng(seed)
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    at = random.choice(depth.size, 60, replace=False)
    depth.flat[at] = random.uniform(2, 6, 60)
    return depth


def sparse_depth(stamp: int, seed: int = 0, frame: str = CAMERA) -> Any:
    return make(
        "sensor_msgs/msg/Image",
        header=header(stamp, frame),
        height=HEIGHT,
        width=WIDTH,
        encoding="32FC1",
        is_bigendian=0,
        step=4 * WIDTH,
        data=depths(seed).view(np.uint8).ravel(),
    )


def cloud(stamp: int, points: np.ndarray, frame: str = LIDAR) -> Any:
    """PointCloud2 of float [N, 3]."""
    field = "sensor_msgs/msg/PointField"
    return make(
        "sensor_msgs/msg/PointCloud2",
        header=header(stamp, frame),
        height=1,
        width=len(points),
        fields=[
            make(field, name=name, offset=4 * i, datatype=7, count=1)
            for i, name in enumerate("xyz")
        ],
        is_bigendian=False,
        point_step=12,
        row_step=12 * len(points),
        data=points.astype(np.float32).view(np.uint8).ravel(),
        is_dense=True,
    )


def camera_info(stamp: int, focal: float = FOCAL) -> Any:
    fx, cx, cy = focal, WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp),
        height=HEIGHT,
        width=WIDTH,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([fx, 0, cx, 0, fx, cy, 0, 0, 1.0]),
        r=np.eye(3).ravel(),
        p=np.array([fx, 0, cx, 0, 0, fx, cy, 0, 0, 0, 1.0, 0]),
        binning_x=0,
        binning_y=0,
        roi=make(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def transform(
    stamp: int,
    parent: str,
    child: str,
    translation: Iterable[float] = (0, 0, 0),
    rotation: Iterable[float] = (0, 0, 0, 1),
) -> Any:
    """A TFMessage with one transform."""
    vector = make(
        "geometry_msgs/msg/Vector3", **dict(zip("xyz", map(float, translation), strict=True))
    )
    quaternion = make(
        "geometry_msgs/msg/Quaternion", **dict(zip("xyzw", map(float, rotation), strict=True))
    )
    stamped = make(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp, parent),
        child_frame_id=child,
        transform=make("geometry_msgs/msg/Transform", translation=vector, rotation=quaternion),
    )
    return make("tf2_msgs/msg/TFMessage", transforms=[stamped])


@contextmanager
def writing(path: Path, storage: str = "sqlite3", compression: str = "") -> Any:
    """Gives ``write(topic, time, message)``."""
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    writer = Writer(path, version=8, storage_plugin=plugin)
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    connections: dict[tuple[str, str], Any] = {}

    def write(topic: str, time: int, message: Any) -> None:
        kind = message.__msgtype__
        if (topic, kind) not in connections:
            connections[topic, kind] = writer.add_connection(
                topic,
                kind,
                typestore=STORE,
                offered_qos_profiles=[RELIABLE_LATCHED] if topic == "/tf_static" else [],
            )
        writer.write(connections[topic, kind], time, STORE.serialize_cdr(message, kind))

    with writer:
        yield write


def record_drive(path: Path, frames: int = 4, **storage: str) -> Path:
    """Image, camera_info and sparse depth, 10 a second, and a topic of somebody else."""
    with writing(path, **storage) as write:
        for index in range(frames):
            stamp = START + index * PERIOD
            write("/camera/camera_info", stamp, camera_info(stamp))
            write("/camera/image_rect", stamp + 10, image(stamp))
            write("/chatter", stamp + 15, make("std_msgs/msg/String", data=f"frame {index}"))
            write("/lidar/sparse_depth", stamp + 20, sparse_depth(stamp + 20, index))
    return path
