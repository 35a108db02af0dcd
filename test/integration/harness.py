"""A real completion node in its own process, and a peer that talks to it over DDS."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from starrygazer_ros.output_messages import depth_to_message

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 30.0  # s; discovery alone takes up to 3 s, on a busy machine longer
RETRY_AFTER = 3.0  # s
WIDTH, HEIGHT = 96, 64
PERIOD = 10**8  # ns, between stamps
FRAME = "camera_optical_frame"
NODE = "completion_node"
COMMAND = (sys.executable, "-m", "starrygazer_ros.nodes.completion_node")

# Fast DDS uses ports that depend on the domain; 0 to 101 keep clear of ephemeral ports.
DOMAINS = 100
# The last of this process; four more processes find as many. A module's nodes live until its end.
_held: deque[socket.socket] = deque(maxlen=DOMAINS // 5)
_domains = itertools.count(os.getpid())


def next_domain() -> int:
    """A DDS domain of its own for each node under test, also beside tests in other processes."""
    return wait_for(_free_domain, "a DDS domain that nobody uses")


def _free_domain() -> int | None:
    for number in itertools.islice(_domains, DOMAINS):
        domain = 1 + number % DOMAINS
        claim = socket.socket(socket.AF_UNIX)
        try:
            # An abstract name is free again when its process ends, and is seen where ports are.
            claim.bind(f"\0starrygazer_test_domain_{domain}")
        except OSError:
            claim.close()
        else:
            _held.append(claim)  # the oldest is freed
            return domain
    return None


def wait_for(condition: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
    """Poll until a condition holds; its value."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out after {timeout:.0f} s waiting for {what}")


class NodeProcess:
    """A completion node as a child process; its log goes to a file."""

    recent: ClassVar[deque[NodeProcess]] = deque(maxlen=3)

    def __init__(
        self,
        folder: Path,
        domain: int,
        parameters: dict[str, Any],
        command: Iterable[str] = COMMAND,
        environment: dict[str, str] | None = None,
        folder_to_run_in: Path = REPOSITORY,
    ) -> None:
        self._log_path = folder / f"node_{domain}.log"
        arguments = ["--ros-args"]
        # Best effort loses large messages on a busy machine; that is not under test here.
        for name, value in {"qos.input_reliability": "reliable", **parameters}.items():
            arguments += ["-p", f"{name}:={value}"]
        environment = dict(environment or os.environ)
        environment["ROS_DOMAIN_ID"] = str(domain)
        environment["PYTHONUNBUFFERED"] = "1"
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder_to_run_in,
            )
        self.recent.append(self)

    @property
    def log(self) -> str:
        """Everything that the node has written."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """The process has not ended."""
        return self._process.poll() is None

    def wait_for_log(self, text: str, count: int = 1) -> None:
        """Wait until the log holds a text this many times."""
        try:
            wait_for(lambda: self.log.count(text) >= count, f"log line with '{text}'")
        except AssertionError as error:
            raise AssertionError(f"{error}; the log is:\n{self.log}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for the end of the process."""
        return self._process.wait(timeout=TIMEOUT)

    def stop(self) -> int:
        """End the process as Ctrl-C does; its exit code."""
        if self.running:
            self.send(signal.SIGINT)
        try:
            return self.exit_code()
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


class Peer:
    """Publishes the inputs and records the outputs."""

    def __init__(self, domain: int, namespace: str = "") -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node("peer", namespace=namespace, context=self._context)
        self._prefix = f"/{namespace}" if namespace else ""
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._image = self.node.create_publisher(Image, "image", 5)
        self._sparse_depth = self.node.create_publisher(Image, "sparse_depth", 5)
        self._camera_info = self.node.create_publisher(CameraInfo, "camera_info", 5)
        self.received: dict[str, list[Any]] = {}
        for message_type, topic in (
            (Image, "/depth/dense"),
            (CameraInfo, "/depth/camera_info"),
            (PointCloud2, "/depth/points"),
            (Image, "/depth/confidence"),
            (DiagnosticArray, "/diagnostics"),
        ):
            messages = self.received.setdefault(topic, [])
            name = topic if topic == "/diagnostics" else self._prefix + topic
            self.node.create_subscription(message_type, name, messages.append, 10)
        self.services = Services(self.node, f"{self._prefix}/{NODE}")
        self._stamp = 1_700_000_000 * 10**9
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()

    def destroy(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    # Inputs

    def wait_until_connected(self) -> None:
        """Wait for the node's subscriptions and publishers."""
        publishers = (self._image, self._sparse_depth, self._camera_info)
        wait_for(lambda: all(p.get_subscription_count() for p in publishers), "subscriptions")
        topics = [self._prefix + topic for topic in self.received if topic.startswith("/depth")]
        wait_for(lambda: all(self.node.count_publishers(t) for t in topics), "publishers")

    def new_stamp(self) -> int:
        """A stamp ``PERIOD`` after the last one, in nanoseconds."""
        self._stamp += PERIOD
        return self._stamp

    def shift_stamps(self, nanoseconds: int) -> None:
        """Let the next stamps jump."""
        self._stamp += nanoseconds

    def send_camera_info(
        self, stamp: int, focal: float = 80.0, width: int = WIDTH, height: int = HEIGHT
    ) -> None:
        """Publish a calibration."""
        info = CameraInfo(height=height, width=width, distortion_model="plumb_bob")
        _stamp(info, stamp)
        info.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
        info.p = [focal, 0.0, width / 2, 0.0, 0.0, focal, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
        self._camera_info.publish(info)

    def send_pair(self, image: Image, sparse_depth: Image, stamp: int) -> None:
        """Publish an image and its sparse depth under one stamp."""
        self.send_one("image", image, stamp)
        self.send_one("sparse_depth", sparse_depth, stamp)

    def send_one(self, topic: str, message: Image, stamp: int) -> None:
        """Publish an image or a sparse depth."""
        _stamp(message, stamp)
        {"image": self._image, "sparse_depth": self._sparse_depth}[topic].publish(message)

    def complete_good_pair(self, **values: Any) -> dict[str, Any]:
        """Publish a good pair with its calibration; the outputs of its stamp by topic."""
        topics = [topic for topic in self.received if topic.startswith("/depth")]

        def send(stamp: int) -> None:
            self.send_camera_info(stamp)
            self.send_pair(image_message(**values), sparse_depth_message(), stamp)

        return self.send_until_completed(send, topics)

    def send_until_completed(
        self, send: Callable[[int], None], topics: Iterable[str] = ("/depth/dense",)
    ) -> dict[str, Any]:
        """Send inputs until there are all outputs of one stamp; these by topic.

        The first may be in vain: this process sees the node's publishers a little before the node
        sees the subscriptions here, and the node makes nothing that nobody listens to.
        """
        topics = list(topics)

        def complete() -> dict[str, Any] | None:
            stamp = self.new_stamp()
            send(stamp)
            deadline = time.monotonic() + RETRY_AFTER
            while time.monotonic() < deadline:
                outputs = {topic: self._find(topic, stamp) for topic in topics}
                if all(outputs.values()):
                    return outputs
                time.sleep(0.01)
            return None

        return wait_for(complete, f"one stamp on {', '.join(topics)}")

    # Outputs

    def _find(self, topic: str, stamp: int) -> Any:
        return next((m for m in self.received[topic] if stamp_of(m) == stamp), None)

    def diagnostics(self) -> tuple[DiagnosticStatus, dict[str, str]]:
        """A status that arrives from now on, and its values by key."""
        messages = self.received["/diagnostics"]
        # The first that comes now may have been made before the caller's last action.
        wanted = len(messages) + 2
        wait_for(lambda: len(messages) >= wanted, "diagnostics")
        status = messages[-1].status[0]
        return status, {value.key: value.value for value in status.values}


class Services:
    """Calls the services of a node, again if there is no answer.

    An answer is lost if the node has found the client's request, but not yet the place for the
    answer (https://github.com/ros2/ros2/issues/1253), which happens on a busy machine.
    """

    def __init__(self, node: Node, server: str) -> None:
        self._node = node
        self._server = server
        self._clients: dict[str, Any] = {}
        # In this order: whoever can answer get_state has found change_state's client, too.
        self._client(ChangeState, "change_state")
        self._client(GetState, "get_state")

    def call(self, service_type: Any, name: str, request: Any) -> Any:
        """Answer of a service that may be called twice."""
        client = self._client(service_type, name)
        assert client.wait_for_service(timeout_sec=TIMEOUT), f"no service {name}"

        def answer() -> Any:
            future = client.call_async(request)
            with suppress(AssertionError):
                wait_for(future.done, "the answer", RETRY_AFTER)
            return future.result()

        return wait_for(answer, f"an answer of {name}")

    def state(self) -> str:
        """Lifecycle state of the node."""
        return self.call(GetState, "get_state", GetState.Request()).current_state.label

    def change_state(self, transition: int) -> bool:
        """Whether the node reports success of a transition."""
        self.state()
        request = ChangeState.Request(transition=Transition(id=transition))
        future = self._client(ChangeState, "change_state").call_async(request)
        wait_for(future.done, "an answer of change_state")
        return future.result().success

    def _client(self, service_type: Any, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self._node.create_client(service_type, f"{self._server}/{name}")
        return self._clients[name]


def accounted(values: dict[str, str], topic: str) -> bool:
    """Every message of an input is in a pair, waits, or was dropped for a cause."""
    terms = [int(values["matched"]), int(values[f"waiting {topic}"])]
    terms += [int(n) for key, n in values.items() if key.startswith(f"dropped {topic} ")]
    reused = int(values["reused sparse_depth"]) if topic == "sparse_depth" else 0
    return min(terms) >= 0 and int(values[f"received {topic}"]) == sum(terms) - reused


def pairs_dropped(values: dict[str, str]) -> list[int]:
    """Pairs that were not completed, by cause."""
    inputs = ("dropped image ", "dropped sparse_depth ")
    return [
        int(n)
        for key, n in values.items()
        if key.startswith("dropped ") and not key.startswith(inputs)
    ]


def image_message(
    grey: int = 51, width: int = WIDTH, height: int = HEIGHT, encoding: str = "rgb8"
) -> Image:
    """An rgb8 image of one grey level."""
    pixels = np.full((height, width, 3), grey, np.uint8)
    image = Image(height=height, width=width, encoding=encoding, step=3 * width)
    image.data.frombytes(pixels.tobytes())
    return image


def sparse_depth_array(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Scan lines over two surfaces side by side, 2 and 4 m away, mean 3 m."""
    depth = np.zeros((height, width), np.float32)
    depth[4::8, : width // 2] = 2.0
    depth[4::8, width // 2 :] = 4.0
    return depth


def sparse_depth_message(depth: np.ndarray | None = None) -> Image:
    """A 32FC1 sparse depth image."""
    values = sparse_depth_array() if depth is None else depth
    return depth_to_message(values, Image().header, "32FC1")


def _stamp(message: Any, nanoseconds: int) -> None:
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    message.header.frame_id = FRAME


def stamp_of(message: Any) -> int:
    """Stamp of a message in nanoseconds."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
