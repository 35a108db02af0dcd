"""What ROS itself costs: a bare rclpy node that answers both inputs with a depth image."""

from __future__ import annotations

import time
from contextlib import ExitStack
from threading import Event, Thread

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

TIMEOUT = 10.0  # s
WARM_UP = 3


class Echo(Node):  # type: ignore[misc]
    """Publishes the sparse depth as dense depth when image and sparse depth have arrived.

    Attributes:
        seconds: from the arrival of the later input to the end of the publication, per pair.
        arrived: set after each pair.
    """

    def __init__(self, context: Context) -> None:
        super().__init__("echo", context=context)
        self.seconds: list[float] = []
        self.arrived = Event()
        self._image: Image | None = None
        self._publisher = self.create_publisher(Image, "echo/depth", 1)
        self.create_subscription(Image, "echo/image", self._on_image, 5)
        self.create_subscription(Image, "echo/sparse_depth", self._on_sparse_depth, 5)

    def _on_image(self, message: Image) -> None:
        self._image = message

    def _on_sparse_depth(self, message: Image) -> None:
        if self._image is None:
            return
        started = time.perf_counter()
        self._image = None
        self._publisher.publish(message)
        self.seconds.append(time.perf_counter() - started)
        self.arrived.set()


def echo_seconds(width: int, height: int, frames: int) -> list[float]:
    """Play pairs of this size to an echo node over DDS; its latency for each.

    Raises:
        TimeoutError: a pair did not arrive.
    """
    context = Context()
    rclpy.init(context=context)
    with ExitStack() as stack:
        stack.callback(rclpy.try_shutdown, context=context)
        echo, peer = Echo(context), Node("echo_peer", context=context)
        executor = SingleThreadedExecutor(context=context)
        for node in (echo, peer):
            stack.callback(node.destroy_node)
            executor.add_node(node)
        peer.create_subscription(Image, "echo/depth", lambda _: None, 1)
        outputs = [peer.create_publisher(Image, f"echo/{t}", 5) for t in ("image", "sparse_depth")]
        thread = Thread(target=executor.spin, name="echo")
        thread.start()
        stack.callback(thread.join)
        stack.callback(executor.shutdown)
        image = _message(np.zeros((height, width, 3), np.uint8), "rgb8")
        sparse_depth = _message(np.zeros((height, width), np.float32), "32FC1")
        _wait_for_subscriptions(outputs)
        for _ in range(WARM_UP + frames):
            echo.arrived.clear()
            for output, message in zip(outputs, (image, sparse_depth), strict=True):
                output.publish(message)
            if not echo.arrived.wait(TIMEOUT):
                raise TimeoutError(f"no pair of {width}x{height} reached the echo node")
        return echo.seconds[WARM_UP:]


def _wait_for_subscriptions(publishers: list[rclpy.publisher.Publisher]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not all(publisher.get_subscription_count() for publisher in publishers):
        if time.monotonic() > deadline:
            raise TimeoutError("the echo node was not found")
        time.sleep(0.02)


def _message(pixels: np.ndarray, encoding: str) -> Image:  # type: ignore[type-arg]
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, encoding=encoding)
    message.step = pixels.nbytes // height
    message.data.frombytes(pixels.tobytes())
    return message
