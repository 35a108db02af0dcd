"""The camera and LiDAR of the demo: publishes the panning window at a rate the node sustains."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from demo import topics
from demo.exchange import Exchange
from starrygazer_ros.demo.camera import FRAME_ID, FramePublishers
from starrygazer_ros.demo.pan import Frame, Pan

CONNECT_TIMEOUT = 90.0  # s; a busy machine loads the modules and the model slowly
ANSWER_TIMEOUT = 30.0  # s; a frame without an answer is lost, the next one follows
UNPACED_FRAMES = 3  # wait for each answer: they warm up and measure the pace
# Period over the slowest of the last answers: the node also makes the cloud after its answer.
HEADROOM = 1.4
FASTEST_PERIOD = 0.1  # s


class Player(Node):
    """Publishes frames and measures how long the node takes to answer."""

    def __init__(self, listeners: int) -> None:
        super().__init__("player")
        self._listeners = listeners
        qos = QoSProfile(depth=topics.QOS_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._topics = FramePublishers(
            self, topics.IMAGE, topics.CAMERA_INFO, topics.SPARSE_DEPTH, qos
        )
        self._published_at: dict[int, float] = {}
        self._last = 0
        self._answers: deque[float] = deque(maxlen=3)
        self.create_subscription(Image, topics.DEPTH, self._on_depth, qos)

    @property
    def connected(self) -> bool:
        """All listeners subscribe to all three topics, and the node publishes depth."""
        listened = self._topics.subscriptions >= self._listeners
        return listened and self.count_publishers(topics.DEPTH) > 0

    @property
    def waiting(self) -> bool:
        """The frame published last has no answer yet."""
        return self._last in self._published_at

    @property
    def period(self) -> float:
        """Seconds between two frames that leave the node time for each."""
        return max([FASTEST_PERIOD, *(HEADROOM * answer for answer in self._answers)])

    def publish_camera_info(self, frame: Frame) -> None:
        """Publish the calibration alone."""
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME_ID)
        self._topics.publish_camera_info(frame, header)

    def publish(self, frame: Frame) -> int:
        """Publish one frame; returns its stamp in nanoseconds."""
        now = self.get_clock().now()
        header = Header(stamp=now.to_msg(), frame_id=FRAME_ID)
        self._last = int(now.nanoseconds)
        self._published_at[self._last] = time.perf_counter()
        self._topics.publish(frame, header)
        return self._last

    def _on_depth(self, message: Image) -> None:
        stamp = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        published_at = self._published_at.pop(stamp, None)
        if published_at is not None:
            self._answers.append(time.perf_counter() - published_at)


def main(arguments: list[str] | None = None) -> int:
    """Publish all frames, then exit; 1 if the node is not there."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.player", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--exchange", type=Path, required=True)
    parser.add_argument(
        "--listeners", type=int, default=1, help="subscriptions of each topic to wait for"
    )
    options = parser.parse_args(arguments)
    exchange = Exchange(options.exchange)
    rclpy.init()
    player = Player(options.listeners)
    executor = SingleThreadedExecutor()
    executor.add_node(player)
    try:
        return _play(player, executor, Pan(options.frames), exchange)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        executor.shutdown()
        player.destroy_node()
        rclpy.try_shutdown()


def _play(player: Player, executor: SingleThreadedExecutor, pan: Pan, exchange: Exchange) -> int:
    def node_hears() -> bool:
        """Discovery is over on both sides: the node says that it received the calibration."""
        if not (player.connected and exchange.recorder_ready):
            return False
        player.publish_camera_info(pan.frame(0))
        return exchange.diagnostics().get("received camera_info", "0") != "0"

    if not _spin_until(executor, node_hears, CONNECT_TIMEOUT):
        print(
            f"no completion node and recorder within {CONNECT_TIMEOUT:.0f} s: this machine is busy "
            "or slow, try again when it has less to do",
            file=sys.stderr,
        )
        return 1
    for index in range(pan.frames):
        start = time.perf_counter()
        exchange.add_sent(player.publish(pan.frame(index)), index)
        if index < UNPACED_FRAMES:
            _spin_until(executor, lambda: not player.waiting, ANSWER_TIMEOUT)
        rest = start + player.period - time.perf_counter()
        _spin_until(executor, lambda: False, rest)
    return 0


def _spin_until(
    executor: SingleThreadedExecutor, condition: Callable[[], bool], timeout: float
) -> bool:
    end = time.perf_counter() + timeout
    while not condition():
        rest = end - time.perf_counter()
        if rest <= 0:
            return False
        executor.spin_once(timeout_sec=min(rest, 0.1))
    return True


if __name__ == "__main__":
    sys.exit(main())
