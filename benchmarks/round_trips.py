"""How long a node takes from both inputs to its depth, seen from outside, over DDS."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from benchmarks.limit import EngineCalls
from demo.counts import latencies
from demo.run import give_dds_room
from starrygazer_ros.output_messages import depth_to_message, rgb_to_message

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))
from integration.harness import (
    COMMAND,
    RETRY_AFTER,
    TIMEOUT,
    NodeProcess,
    next_domain,
    stamp_of,
    wait_for,
)

ECHO = (sys.executable, "-m", "benchmarks.echo")
WARM_UP = 3
PERIOD = 10**8  # ns, between stamps
PAUSE = 0.05  # s, in which the node finishes what comes after the depth


@dataclass(frozen=True)
class RoundTrips:
    """Seconds of each frame, one after the other: through one node, the other, the engines alone.

    Attributes:
        node: from the first byte sent to the dense depth received.
        echo: the same through a bare node that computes nothing.
        engines: the calls alone, in this process.
        stages: of the node's own diagnostics, milliseconds by stage and percentile.
    """

    node: list[float]
    echo: list[float]
    engines: list[float]
    stages: dict[str, dict[str, float]]

    @property
    def ratio(self) -> float:
        """What the node takes beside the echo, over the engine calls; median over the frames."""
        frames = zip(self.node, self.echo, self.engines, strict=True)
        return float(np.median([(node - echo) / engines for node, echo, engines in frames]))


def round_trips(
    parameters: dict[str, Any],
    image: NDArray[np.uint8],
    sparse_depth: NDArray[np.float32],
    calls: EngineCalls,
    frames: int,
) -> RoundTrips:
    """Play a pair again and again to the completion node and, in turn, to an echo node.

    Args:
        parameters: of the completion node.
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
        calls: of the engines, for the same pair.
        frames: measured.

    Raises:
        AssertionError: a node did not start or did not answer.
    """
    give_dds_room(os.environ)
    messages = [rgb_to_message(image, Header()), depth_to_message(sparse_depth, Header(), "32FC1")]
    found = RoundTrips([], [], [], {})
    with tempfile.TemporaryDirectory(prefix="starrygazer_speed_") as folder, ExitStack() as stack:
        node, echo = (
            _Peer(stack, Path(folder), command, values, messages)
            for command, values in ((COMMAND, parameters), (ECHO, {}))
        )
        measured = (
            (node.round_trip, found.node),
            (echo.round_trip, found.echo),
            (calls.seconds, found.engines),
        )
        for frame in range(WARM_UP + frames):
            for measure, kept in measured:
                time.sleep(PAUSE)
                seconds = measure()
                if frame >= WARM_UP:
                    kept.append(seconds)
        found.stages.update(node.stages())
    return found


class _Peer:
    """A node in a process of its own, and what sends it pairs and waits for the depth."""

    def __init__(
        self,
        stack: ExitStack,
        folder: Path,
        command: Sequence[str],
        parameters: dict[str, Any],
        messages: Sequence[Image],
    ) -> None:
        domain = next_domain()
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        stack.callback(rclpy.try_shutdown, context=context)
        self._peer = Node("peer", context=context)
        stack.callback(self._peer.destroy_node)
        self._publishers = [
            self._peer.create_publisher(Image, topic, 5) for topic in ("image", "sparse_depth")
        ]
        self._peer.create_subscription(Image, "depth/dense", self._on_depth, 1)
        self._peer.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 5)
        self._messages = messages
        self._stamp = 1_700_000_000 * 10**9
        self._arrived = threading.Event()
        self._diagnostics: list[dict[str, str]] = []
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(self._peer)
        thread = threading.Thread(target=executor.spin, name="peer")
        thread.start()
        stack.callback(thread.join)
        stack.callback(executor.shutdown)
        process = NodeProcess(folder, domain, parameters, command)
        stack.callback(process.stop)
        publishers = self._publishers
        wait_for(lambda: all(p.get_subscription_count() for p in publishers), "subscriptions")
        # The node makes nothing before it has seen that somebody listens.
        wait_for(lambda: self._send_until(RETRY_AFTER), "a first depth")

    def round_trip(self) -> float:
        """Send a pair; seconds until its depth is here."""
        started = time.perf_counter()
        assert self._send_until(TIMEOUT), f"no depth after {TIMEOUT:.0f} s"
        return time.perf_counter() - started

    def _send_until(self, timeout: float) -> bool:
        """Send a pair; whether its depth comes within seconds."""
        self._stamp += PERIOD
        self._arrived.clear()
        for message in self._messages:
            message.header.frame_id = "camera"
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(self._stamp, 10**9)
        for publisher, message in zip(self._publishers, self._messages, strict=True):
            publisher.publish(message)
        return self._arrived.wait(timeout)

    def stages(self) -> dict[str, dict[str, float]]:
        """Latencies of the next diagnostics."""
        known = len(self._diagnostics)
        wait_for(lambda: len(self._diagnostics) >= known + 2, "diagnostics")
        return latencies(self._diagnostics[-1])

    def _on_depth(self, message: Image) -> None:
        if stamp_of(message) == self._stamp:
            self._arrived.set()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._diagnostics.append({value.key: value.value for value in message.status[0].values})
