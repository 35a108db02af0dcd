"""What ROS itself costs: a bare rclpy node that answers both inputs with a depth image."""

from __future__ import annotations

import sys
from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import Image


class Echo(Node):  # type: ignore[misc]
    """Publishes the sparse depth as dense depth when image and sparse depth have arrived."""

    def __init__(self) -> None:
        super().__init__("echo")
        self._image: Image | None = None
        self._publisher = self.create_publisher(Image, "depth/dense", 1)
        self.create_subscription(Image, "image", self._on_image, 5)
        self.create_subscription(Image, "sparse_depth", self._on_sparse_depth, 5)

    def _on_image(self, message: Image) -> None:
        self._image = message

    def _on_sparse_depth(self, message: Image) -> None:
        if self._image is not None:
            self._image = None
            self._publisher.publish(message)


def main() -> int:
    """Run the node until it is interrupted."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Echo())
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
