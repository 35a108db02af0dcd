"""The node's own doing, in this process; what it does over DDS is in integration/."""

from __future__ import annotations

import gc
import resource
import threading
import time
import weakref
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo

from integration.harness import image_message, next_domain, sparse_depth_message, wait_for
from starrygazer_ros.nodes.completion import CompletionNode
from starrygazer_ros.nodes.managed import DIAGNOSTICS_PERIOD
from starrygazer_ros.nodes.outputs import Outputs

SUCCESS = TransitionCallbackReturn.SUCCESS
WARM_UP, CYCLES = 10, 50
ALLOWED_GROWTH = 6.0  # MiB; without a leak about 0.5, with one of the tiny model's engines 28


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


def resident_memory():
    """Of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_fifty_cycles_of_its_lifecycle_leave_the_memory_as_it_was(node, monkeypatch):
    monkeypatch.setattr(Outputs, "wanted", True)  # so that the engines work

    def cycle():
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        node._on_image(image_message())
        node._on_sparse_depth(sparse_depth_message())
        statistics = node._configured.pairs.statistics
        wait_for(lambda: statistics.snapshot().completed == 1, "the pair")
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS

    for _ in range(WARM_UP):  # allocators and DDS keep what they need once
        cycle()
    before, threads = resident_memory(), threading.active_count()
    for _ in range(CYCLES):
        cycle()
    assert resident_memory() - before < ALLOWED_GROWTH
    assert threading.active_count() == threads


def test_judges_the_inputs_after_a_full_period_only(node):
    assert node.trigger_configure() == SUCCESS
    time.sleep(0.3 * DIAGNOSTICS_PERIOD)
    assert node.trigger_activate() == SUCCESS
    assert node._diagnostics_timer.time_until_next_call() > 0.8e9 * DIAGNOSTICS_PERIOD


def test_no_message_can_end_the_node(node):
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    inputs = node._activation.inputs
    inputs["camera_info"]._on_message(CameraInfo())
    inputs["image"]._callback(None)  # whatever raises
    warnings = node._configured.pairs.statistics.snapshot().warnings
    assert warnings == {"unusable_camera_info": 1, "internal_error": 1}


def test_changes_at_run_time_reach_the_next_pair_and_lose_none(node):
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    waiting = image_message()
    waiting.header.stamp.sec, waiting.header.stamp.nanosec = 7, 90_000_000
    node._on_image(waiting)
    results = node.set_parameters_atomically(
        [
            Parameter("sync.slop", value=0.2),
            Parameter("min_sparse_points", value=9),
            Parameter("filter_occluded", value=False),
            Parameter("depth_encoding", value="16UC1"),
        ]
    )
    assert results.successful
    late = sparse_depth_message()
    late.header.stamp.sec = 7
    node._on_sparse_depth(late)  # 0.09 s before the image: only the new slop makes a pair of them
    configured = node._configured
    wait_for(lambda: configured.pairs.statistics.snapshot().in_work == 0, "the pair's end")
    assert configured.synchronizer.matched == 1
    assert configured.completer.min_sparse_points == 9
    assert configured.completer.filter_occluded is False
    assert configured.outputs._parameters.depth_encoding == "16UC1"


def test_refuses_a_change_with_the_reason_and_changes_nothing(node):
    assert node.trigger_configure() == SUCCESS
    refused = node.set_parameters_atomically(
        [Parameter("depth_encoding", value="16UC1"), Parameter("threads", value=7)]
    )
    assert not refused.successful
    assert "threads takes effect on configure" in refused.reason
    assert node.values.depth_encoding == node.get_parameter("depth_encoding").value == "32FC1"


def test_what_fails_half_way_through_configure_leaves_nothing_behind(node, monkeypatch):
    def fail(*_):
        raise ArithmeticError("half-way")

    before = len(list(node.publishers))
    monkeypatch.setattr("starrygazer_ros.nodes.completion.PairSynchronizer", fail)
    assert node.trigger_configure() != SUCCESS
    assert len(list(node.publishers)) == before
    monkeypatch.undo()
    assert node.trigger_configure() == SUCCESS
    assert len(list(node.publishers)) == before + len(node._configured.outputs.publishers)
