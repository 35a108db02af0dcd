"""What the speed benchmark compares with: engines alone, and ROS alone."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.limit import EngineCalls
from benchmarks.speed import Duration, Timing, _between, _criteria
from starrygazer_ros.completion import DepthCompleter


class Counting:
    """An engine that remembers the shapes it was called with."""

    def __init__(self, engine):
        self._engine = engine
        self.inputs, self.outputs, self.description = engine.inputs, engine.outputs, ""
        self.calls = []

    def run(self, inputs):
        self.calls.append({name: array.shape for name, array in inputs.items()})
        return self._engine.run(inputs)


def test_the_calls_are_those_of_the_pipeline(tiny_bundle):
    pipeline = DepthCompleter.from_bundle(tiny_bundle).pipeline
    engines = pipeline.mde, pipeline.refinement = (
        Counting(pipeline.mde),
        Counting(pipeline.refinement),
    )
    image = np.full((60, 90, 3), 51, np.uint8)
    calls = EngineCalls(pipeline, image, np.ones((60, 90), np.float32))
    assert (pipeline.mde, pipeline.refinement) == engines
    assert calls.seconds() > 0
    for engine in engines:
        first, again = engine.calls
        assert first == again
    assert engines[1].calls[0]["sparse_depth"] == (1, 1, 64, 96)


def test_criteria_compare_with_the_engine_calls_of_the_same_run():
    timing = Timing("640x480", {"total": Duration(109, 120)}, Duration(100, 110), 1.09, {}, 0)
    before, after = Duration(98, 110), Duration(102, 110)
    node = {"stages_ms": {"node": {"p50": 119.0}}, "echo_ms": {"p50": 3.0}}
    node["limit_ms"] = _between(before, after)
    met = _criteria([timing], node)
    assert list(met.values()) == [True, False]
    texts = list(met)
    assert "1.090 times" in texts[0]
    assert "1.160 times" in texts[1]


def test_the_echo_node_answers_every_pair():
    pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")
    from benchmarks.echo import echo_seconds

    seconds = echo_seconds(64, 48, frames=5)
    assert len(seconds) == 5
    assert min(seconds) > 0
