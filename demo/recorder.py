"""The user of the demo's depth: receives everything that the node publishes and keeps it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from demo import topics
from demo.bag import BagRecorder
from demo.exchange import Cloud, Exchange
from starrygazer_ros.messages import sparse_depth_from_message

DIAGNOSED = "completion_node"


class Recorder(Node):
    """Stores the node's outputs as files."""

    def __init__(self, exchange: Exchange, bag: Path | None) -> None:
        super().__init__("recorder")
        self._exchange = exchange
        self._cloud: PointCloud2 | None = None
        qos = QoSProfile(depth=topics.QOS_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(Image, topics.DEPTH, self._on_depth, qos)
        self.create_subscription(CameraInfo, topics.DEPTH_CAMERA_INFO, lambda _: None, qos)
        self.create_subscription(PointCloud2, topics.POINTS, self._on_points, qos)
        self.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, qos)
        self._bag = BagRecorder(self, bag, qos) if bag is not None else None

    def finish(self) -> None:
        """Store the last point cloud, finish the bag."""
        if self._cloud is not None:
            self._exchange.set_cloud(_unpack(self._cloud))
        if self._bag is not None:
            self._bag.close()

    def _on_depth(self, message: Image) -> None:
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        self._exchange.add_depth(stamp, sparse_depth_from_message(message))

    def _on_points(self, message: PointCloud2) -> None:
        self._cloud = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.startswith(DIAGNOSED):
                values = {entry.key: entry.value for entry in status.values}
                self._exchange.set_diagnostics(values)
                if values.get("state") == "active" and self.count_publishers(topics.DEPTH):
                    self._exchange.set_recorder_ready()


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.recorder", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--exchange", type=Path, required=True)
    parser.add_argument("--bag", type=Path, help="rosbag2 to write, beside the exchange")
    options = parser.parse_args(arguments)
    rclpy.init()
    recorder = Recorder(Exchange(options.exchange), options.bag)
    try:
        rclpy.spin(recorder)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        recorder.finish()
        recorder.destroy_node()
        rclpy.try_shutdown()
    return 0


def _unpack(message: PointCloud2) -> Cloud:
    offsets = {field.name: field.offset for field in message.fields}
    names = ["x", "y", "z", "rgb"]
    order = ">" if message.is_bigendian else "<"
    layout = np.dtype(
        {
            "names": names,
            "formats": [f"{order}f4"] * 3 + [f"{order}u4"],
            "offsets": [offsets[name] for name in names],
            "itemsize": message.point_step,
        }
    )
    records = np.frombuffer(message.data, layout)
    points = np.stack([records[axis] for axis in "xyz"], axis=1).astype(np.float32)
    colours = np.stack([records["rgb"] >> shift for shift in (16, 8, 0)], axis=1)
    return Cloud(points, (colours & 0xFF).astype(np.uint8))


if __name__ == "__main__":
    sys.exit(main())
