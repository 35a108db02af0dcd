"""The node's own doing, in this process; what it does over DDS is in integration/."""

from __future__ import annotations

import gc
import time
import weakref

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo

from integration.harness import image_message, next_domain, sparse_depth_message
from starrygazer_ros.nodes.lifecycle import DIAGNOSTICS_PERIOD, CompletionNode

SUCCESS = TransitionCallbackReturn.SUCCESS


@pytest.fixture
def node(tiny_bundle):
    context = Context()
    rclpy.init(context=context, domain_id=next_domain())
    model = Parameter("model", value=str(tiny_bundle))
    node = CompletionNode(context=context, parameter_overrides=[model])
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_cleanup_frees_the_model(node):
    assert node.trigger_configure() == SUCCESS
    completer = weakref.ref(node._configured.completer)
    assert node.trigger_activate() == SUCCESS
    node._on_image(image_message())
    node._on_sparse_depth(sparse_depth_message())
    assert node.trigger_deactivate() == SUCCESS
    assert completer() is not None
    assert node.trigger_cleanup() == SUCCESS
    gc.collect()
    assert completer() is None


def test_judges_the_inputs_after_a_full_period_only(node):
    assert node.trigger_configure() == SUCCESS
    time.sleep(0.3 * DIAGNOSTICS_PERIOD)
    assert node.trigger_activate() == SUCCESS
    assert node._diagnostics_timer.time_until_next_call() > 0.8e9 * DIAGNOSTICS_PERIOD


def test_no_message_can_end_the_node(node):
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    callbacks = {s.topic_name: s.callback for s in node._activation.subscriptions}
    callbacks["/camera_info"](CameraInfo())
    callbacks["/image"](None)  # whatever raises
    warnings = node._report().counts.warnings
    assert warnings == {"unusable_camera_info": 1, "internal_error": 1}
