"""Outputs: made for those who listen only, with one header, and in one size."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from starrygazer_ros.calibration import of_image
from starrygazer_ros.completion import CompletionResult
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.nodes.outputs import Outputs

HEIGHT, WIDTH = 48, 64
TOPICS = ("depth/dense", "depth/camera_info", "depth/points", "depth/confidence")
DEPTH = np.full((HEIGHT, WIDTH), 2, np.float32)
CONFIDENCE = np.full((HEIGHT, WIDTH), 0.5, np.float32)
IMAGE = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


class FakePublisher:
    def __init__(self):
        self.listeners = 0
        self.messages = []

    def get_subscription_count(self):
        return self.listeners

    def publish(self, message):
        self.messages.append(message)


class FakeNode:
    """Makes publishers that nobody listens to yet."""

    def __init__(self):
        self.publishers = {}

    def create_lifecycle_publisher(self, message_type, topic, qos):
        self.publishers[topic] = FakePublisher()
        return self.publishers[topic]

    def destroy_lifecycle_publisher(self, publisher):
        self.publishers = {t: p for t, p in self.publishers.items() if p is not publisher}


def make_header():
    header = Header(frame_id="camera")
    header.stamp.sec, header.stamp.nanosec = 12, 345_678_901
    return header


def calibration():
    info = CameraInfo(width=WIDTH, height=HEIGHT)
    info.k = [50.0, 0.0, 31.0, 0.0, 51.0, 23.0, 0.0, 0.0, 1.0]
    info.p = [50.0, 0.0, 31.0, 0.0, 0.0, 51.0, 23.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return of_image(info)


def publish(listened, depth=DEPTH, **values):
    """What a completion leads to on each topic when somebody listens to these."""
    node = FakeNode()
    outputs = Outputs(node, CompletionParameters(**values))
    for topic in listened:
        node.publishers[topic].listeners = 1
    scaled = outputs.scaled(CompletionResult(depth, CONFIDENCE, depth, {}), IMAGE)
    outputs.publish_depth(scaled, make_header())
    outputs.publish_calibrated(scaled, make_header(), calibration())
    outputs.publish_confidence(scaled, make_header())
    sent = {topic: publisher.messages for topic, publisher in node.publishers.items()}
    assert all(len(messages) == (topic in listened) for topic, messages in sent.items())
    return {topic: messages[0] for topic, messages in sent.items() if messages}, scaled


@pytest.mark.parametrize("topic", TOPICS)
def test_only_what_somebody_listens_to_is_made(topic):
    sent, _ = publish([topic])
    assert list(sent) == [topic]


@pytest.mark.parametrize(
    ("topic", "made"),
    [
        ("depth/dense", {"depth"}),
        ("depth/camera_info", set()),
        ("depth/confidence", {"confidence"}),
    ],
)
def test_only_what_somebody_listens_to_is_scaled(topic, made):
    _, scaled = publish([topic], output_scale=0.5)
    assert {name for name in ("depth", "confidence", "image") if name in vars(scaled)} == made


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.3])
def test_every_output_has_the_header_of_the_image_and_one_size(scale):
    sent, _ = publish(TOPICS, output_scale=scale)
    assert all(message.header == make_header() for message in sent.values())
    sizes = {(message.height, message.width) for message in sent.values()}
    assert sizes == {(round(scale * HEIGHT), round(scale * WIDTH))}


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.3])
def test_the_cloud_is_that_of_the_depth_and_its_camera_info(scale):
    slope = np.repeat(np.linspace(1, 3, HEIGHT, dtype=np.float32)[:, None], WIDTH, axis=1)
    sent, _ = publish(TOPICS, slope, output_scale=scale, points_fields="xyz")
    dense, info, cloud = (sent[topic] for topic in TOPICS[:3])
    z = np.frombuffer(dense.data, np.float32).reshape(dense.height, dense.width)
    v, u = np.indices(z.shape)
    x, y = (u - info.p[2]) * z / info.p[0], (v - info.p[6]) * z / info.p[5]
    points = np.frombuffer(cloud.data, np.float32).reshape(*z.shape, 3)
    np.testing.assert_allclose(points, np.stack([x, y, z], -1), rtol=1e-6, atol=1e-7)


def test_parameters_change_from_one_message_to_the_next():
    node = FakeNode()
    outputs = Outputs(node, CompletionParameters())
    node.publishers["depth/dense"].listeners = 1
    for values in (CompletionParameters(output_scale=0.5, depth_encoding="16UC1"), None):
        outputs.change(values or CompletionParameters())
        result = CompletionResult(DEPTH, CONFIDENCE, DEPTH, {})
        outputs.publish_depth(outputs.scaled(result, IMAGE), make_header())
    small, whole = node.publishers["depth/dense"].messages
    assert (small.encoding, small.width, whole.encoding, whole.width) == (
        "16UC1",
        WIDTH // 2,
        "32FC1",
        WIDTH,
    )


def test_somebody_listens_to_camera_info_or_points_means_that_calibration_is_wanted():
    node = FakeNode()
    outputs = Outputs(node, CompletionParameters())
    assert not outputs.wanted
    for topic in TOPICS:
        node.publishers[topic].listeners = 1
        assert outputs.wanted
        assert outputs.calibration_wanted == (topic in ("depth/camera_info", "depth/points"))
        node.publishers[topic].listeners = 0


def test_destroys_what_it_made():
    node = FakeNode()
    outputs = Outputs(node, CompletionParameters())
    assert set(node.publishers) == set(TOPICS)
    outputs.destroy()
    assert node.publishers == {}
