"""What passes over the demo's topics, as a rosbag2."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from demo import topics
from starrygazer_ros.bags.assembly import VERSION
from starrygazer_ros.bags.recording import TYPES

RECORDED = {
    topics.IMAGE: Image,
    topics.CAMERA_INFO: CameraInfo,
    topics.SPARSE_DEPTH: Image,
    topics.DEPTH: Image,
    topics.DEPTH_CAMERA_INFO: CameraInfo,
    topics.POINTS: PointCloud2,
    topics.CONFIDENCE: Image,
}


class BagRecorder:
    """Writes every message of ``RECORDED`` as it arrives.

    Args:
        node: that subscribes.
        path: folder of the bag, which does not exist yet.
        qos: of the subscriptions.
    """

    def __init__(self, node: Node, path: Path, qos: QoSProfile) -> None:
        self._clock = node.get_clock()
        self._writer = Writer(path, version=VERSION)
        self._writer.open()
        for topic, message_type in RECORDED.items():
            kind = f"sensor_msgs/msg/{message_type.__name__}"
            connection = self._writer.add_connection(topic, kind, typestore=TYPES)
            node.create_subscription(
                message_type, topic, partial(self._write, connection), qos, raw=True
            )

    def close(self) -> None:
        """Finish the bag."""
        self._writer.close()

    def _write(self, connection: Connection, content: Any) -> None:
        self._writer.write(connection, self._clock.now().nanoseconds, bytes(content))
