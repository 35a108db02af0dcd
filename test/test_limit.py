"""What the speed benchmark compares with: engines alone, and ROS alone."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.limit import EngineCalls
from benchmarks.speed import Duration, Timing, _criteria
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
    pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")
    from benchmarks.round_trips import RoundTrips

    timing = Timing("640x480", {"total": Duration(109, 120)}, Duration(100, 110), 1.09, {}, 0)
    # The second frame's engines were slowed down wherever they ran.
    node = RoundTrips([119, 235, 120], [3, 3, 3], [100, 200, 100], {})
    met = _criteria([timing], node)
    assert list(met.values()) == [True, False]
    texts = list(met)
    assert "1.090 times" in texts[0]
    assert "1.160 times" in texts[1]


def test_round_trips_are_those_of_both_nodes_and_of_the_engines(tiny_bundle):
    pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")
    from benchmarks.round_trips import round_trips
    from bundles import PARAMETERS

    completer = DepthCompleter.from_bundle(tiny_bundle)
    image, sparse_depth = np.full((60, 90, 3), 51, np.uint8), np.ones((60, 90), np.float32)
    calls = EngineCalls(completer.pipeline, image, sparse_depth)
    found = round_trips({**PARAMETERS, "model": tiny_bundle}, image, sparse_depth, calls, 3)
    assert len(found.node) == len(found.echo) == len(found.engines) == 3
    assert min(found.node + found.echo + found.engines) > 0
    assert found.stages["mde"]["p50"] < found.stages["node"]["p50"]
