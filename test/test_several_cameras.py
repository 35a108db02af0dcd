"""Several completion nodes in one process: one engine, taken in turns."""

from __future__ import annotations

import gc
import threading
import time

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from integration.harness import image_message, next_domain, sparse_depth_message, wait_for
from starrygazer_ros.completion import SharedEngines
from starrygazer_ros.nodes.completion import CompletionNode
from starrygazer_ros.nodes.outputs import Outputs

SUCCESS = TransitionCallbackReturn.SUCCESS
INFERENCE = 0.02  # s that the slowed engine takes at least for a pair


class SlowEngine:
    """An engine that takes its time and tells whether two use it at once."""

    def __init__(self, engine):
        self._engine = engine
        self.users = self.most_users = 0
        self._lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def run(self, inputs):
        with self._lock:
            self.users += 1
            self.most_users = max(self.most_users, self.users)
        time.sleep(INFERENCE)
        with self._lock:
            self.users -= 1
        return self._engine.run(inputs)


@pytest.fixture
def make_cameras(tiny_bundle):
    context = Context()
    rclpy.init(context=context, domain_id=next_domain())
    nodes = []

    def make(*namespaces, **overrides):
        shared = SharedEngines()
        named = {"model": str(tiny_bundle), "threads": 1, **overrides}
        parameters = [Parameter(name, value=value) for name, value in named.items()]
        for namespace in namespaces:
            nodes.append(
                CompletionNode(
                    shared, namespace=namespace, context=context, parameter_overrides=parameters
                )
            )
        return shared, nodes

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_cameras_share_one_engine_until_the_last_one_cleans_up(make_cameras):
    shared, (front, rear) = make_cameras("front", "rear")
    assert front.trigger_configure() == rear.trigger_configure() == SUCCESS
    assert front._configured.completer._engines is rear._configured.completer._engines
    assert front._configured.completer is not rear._configured.completer
    assert front.trigger_cleanup() == SUCCESS
    gc.collect()
    assert len(shared) == 1
    assert rear._configured.completer.self_check() < 1e-3
    assert rear.trigger_cleanup() == SUCCESS
    gc.collect()
    assert len(shared) == 0


def test_a_camera_with_other_threads_has_its_own_engine(make_cameras):
    shared, (front, rear) = make_cameras("front", "rear")
    assert rear.set_parameters([Parameter("threads", value=2)])[0].successful
    assert front.trigger_configure() == rear.trigger_configure() == SUCCESS
    assert len(shared) == 2


def test_a_fast_camera_does_not_starve_a_slow_one(make_cameras, monkeypatch):
    monkeypatch.setattr(Outputs, "wanted", True)
    _, (fast, slow) = make_cameras("fast", "slow")
    for node in (fast, slow):
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
    engines = fast._configured.completer._engines
    pipeline = engines.pipeline
    pipeline.refinement = engine = SlowEngine(pipeline.refinement)

    sent = 0
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        put(fast, sent)  # far more than the engine can do
        if sent % 30 == 0:  # less than half of what it can do
            put(slow, sent)
        sent += 1
        time.sleep(INFERENCE / 5)
    statistics = [node._configured.pairs.statistics for node in (fast, slow)]
    wait_for(lambda: all(s.snapshot().in_work == 0 for s in statistics), "the last pairs")

    fast_counts, slow_counts = (s.snapshot() for s in statistics)
    assert engine.most_users == 1
    assert slow_counts.completed == slow_counts.matched == len(range(0, sent, 30))
    assert slow_counts.replaced == 0
    # The rest of the time is the fast one's.
    assert fast_counts.completed > slow_counts.completed
    assert fast_counts.completed + fast_counts.replaced == fast_counts.matched == sent
    # At most one pair of the other camera goes first.
    inference = slow_counts.latencies["refinement"].p95
    assert slow_counts.latencies["waiting"].p95 < 2 * inference + 0.1


def put(node, index):
    """A pair for a node, as its subscriptions hand it over."""
    image, sparse_depth = image_message(), sparse_depth_message()
    for message in (image, sparse_depth):
        stamp = 10**9 + index * 10**7
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
    node._on_image(image)
    node._on_sparse_depth(sparse_depth)
