"""What nothing around them can be faster than: the two engine calls alone, with ready inputs."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends import Engine
from starrygazer_ros.completion.pipelines import HostPipeline, Pipeline
from starrygazer_ros.completion.stage_clock import StageClock
from starrygazer_ros.completion.working_size import SmallerPipeline

Arrays = dict[str, NDArray[np.float32]]


class EngineCalls:
    """The calls that a pipeline makes for one image, to be made again.

    Args:
        pipeline: of engines on the host, see :func:`on_host`.
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        image: NDArray[np.uint8],
        sparse_depth: NDArray[np.float32],
    ) -> None:
        host = on_host(pipeline)
        assert host is not None
        engines = host.mde, host.refinement
        recorders = tuple(_Recorder(engine) for engine in engines)
        host.mde, host.refinement = recorders
        try:
            pipeline.run(image, sparse_depth, StageClock())
        finally:
            host.mde, host.refinement = engines
        self._calls = [(r.engine, r.seen) for r in recorders]

    def seconds(self) -> float:
        """Make the calls; how long they took."""
        started = time.perf_counter()
        for engine, inputs in self._calls:
            engine.run(inputs)
        return time.perf_counter() - started


def on_host(pipeline: Pipeline) -> HostPipeline | None:
    """What calls the engines, if they are on the host."""
    inner = pipeline.inner if isinstance(pipeline, SmallerPipeline) else pipeline
    return inner if isinstance(inner, HostPipeline) else None


class _Recorder:
    """An engine that remembers its last inputs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self.description = engine.description
        self.seen: Arrays = {}

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> Arrays:
        self.seen = dict(inputs)
        return self.engine.run(inputs)
