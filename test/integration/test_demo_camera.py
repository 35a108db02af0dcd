"""The node that stands for camera and LiDAR in demo.launch.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from integration.harness import next_domain
from starrygazer_ros.demo.camera import FRAME_ID, QOS
from starrygazer_ros.messages import image_from_message, sparse_depth_from_message

pytestmark = pytest.mark.integration
pytest.importorskip("skimage", reason="the photograph is in scikit-image")
RATE = 5.0
COMMAND = [sys.executable, "-m", "starrygazer_ros.demo.camera", "--ros-args", "-p", f"rate:={RATE}"]
TYPES = {"image": Image, "camera_info": CameraInfo, "sparse_depth": Image}


@pytest.fixture
def domain() -> int:
    return next_domain()


@pytest.fixture
def listener(domain: int) -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node("listener", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def start(repository: Path, domain: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        COMMAND,
        cwd=repository,
        env={**os.environ, "ROS_DOMAIN_ID": str(domain), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_frames_are_complete_until_ctrl_c(repository: Path, domain: int, listener: Node) -> None:
    seen: dict[str, dict[int, object]] = {topic: {} for topic in TYPES}

    def keep(topic: str, message: object) -> None:
        stamp = message.header.stamp  # type: ignore[attr-defined]
        seen[topic][stamp.sec * 10**9 + stamp.nanosec] = message

    for topic, kind in TYPES.items():
        listener.create_subscription(kind, topic, lambda m, topic=topic: keep(topic, m), QOS)
    executor = SingleThreadedExecutor(context=listener.context)
    executor.add_node(listener)
    process = start(repository, domain)
    try:
        for _ in range(600):
            executor.spin_once(timeout_sec=0.1)
            common = set.intersection(*(set(messages) for messages in seen.values()))
            if len(common) >= 2:
                break
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 0, output
    assert len(common) >= 2, output
    image, camera_info, sparse = (seen[topic][min(common)] for topic in TYPES)
    assert {m.header.frame_id for m in (image, camera_info, sparse)} == {FRAME_ID}
    assert image_from_message(image).shape == (480, 640, 3)
    assert (camera_info.height, camera_info.width) == (480, 640)
    depth = sparse_depth_from_message(sparse)
    assert 0.005 < np.count_nonzero(depth) / depth.size < 0.05
    assert 2 < depth[depth > 0].min() < depth.max() < 5.1


def test_without_scikit_image_it_says_how_to_get_it(
    repository: Path, domain: int, tmp_path: Path
) -> None:
    (tmp_path / "skimage").mkdir()
    (tmp_path / "skimage" / "__init__.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = start(repository, domain, PYTHONPATH=path)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "pip install 'scikit-image>=0.26'" in output
    assert "Traceback" not in output
