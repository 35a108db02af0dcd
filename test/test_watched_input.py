from __future__ import annotations

import time

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from integration.harness import next_domain, wait_for
from starrygazer_ros import qos
from starrygazer_ros.nodes.watched_input import SILENCE, WatchedInput


@pytest.fixture
def node():
    """A node that spins in :func:`turn`."""
    context = Context()
    rclpy.init(context=context, domain_id=next_domain())
    node = Node("ours", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.turn = lambda: executor.spin_once(timeout_sec=0.02)
    yield node
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def watch(node, reliability):
    messages = []
    profile = qos.profile(reliability, 5)
    return WatchedInput(node, Image, "image", messages.append, profile), messages


def test_counts_messages_and_tells_their_age(node):
    watched, messages = watch(node, "reliable")
    publisher = node.create_publisher(Image, "image", 5)
    message = Image()
    stamp = node.get_clock().now().nanoseconds - 2 * 10**9
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)

    def heard():
        publisher.publish(message)
        node.turn()
        return messages

    wait_for(heard, "a message")
    report = watched.report()
    assert report.topic == "/image"
    assert report.received == len(messages)
    assert 2.0 <= report.age < 12.0
    assert report.silence < SILENCE
    assert report.mismatch == ""


def test_says_that_nobody_publishes(node):
    watched, _ = watch(node, "reliable")
    time.sleep(SILENCE)
    report = watched.report()
    assert (report.received, report.publishers, report.mismatch) == (0, 0, "")
    assert report.silence >= SILENCE


def test_logs_a_publisher_that_it_cannot_hear_at_once_and_reports_it_until_it_is_gone(node):
    lines = []
    logger = type("Logger", (), {"warning": staticmethod(lines.append)})
    node.get_logger, get_logger = lambda: logger, node.get_logger
    watched, messages = watch(node, "reliable")
    publisher = node.create_publisher(Image, "image", qos.profile("best_effort", 5))

    def logged():
        node.turn()
        return lines

    wait_for(logged, "the event of the middleware")
    node.get_logger = get_logger
    assert lines[0].startswith("nothing can arrive on /image: ")
    assert "reliability" in lines[0]
    publisher.publish(Image())
    time.sleep(SILENCE)
    node.turn()
    assert messages == []
    assert watched.report().mismatch == (
        "/ours publishes /image with reliability BEST_EFFORT, "
        "but this node asks for reliability RELIABLE"
    )
    node.destroy_publisher(publisher)

    def is_gone():
        node.turn()  # the executor may still hold the publisher's events
        return watched.report().mismatch == ""

    wait_for(is_gone, "the end of the publisher")


def test_destroys_its_subscription(node):
    watched, _ = watch(node, "reliable")
    assert node.count_subscribers("/image") == 1
    watched.destroy()
    wait_for(lambda: node.count_subscribers("/image") == 0, "the end of the subscription")
