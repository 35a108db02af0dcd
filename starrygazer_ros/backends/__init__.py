"""Inference back ends: which there are, and those that run one graph on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends.names import (
    AUTO,
    BACKENDS,
    BF16,
    FP16,
    FP32,
    INT8,
    ONNXRUNTIME,
    OPENVINO,
    PRECISIONS,
    TENSORRT,
    TENSORRT_RTX,
)
from starrygazer_ros.backends.options import Say, say_nothing
from starrygazer_ros.completion.errors import BackendUnavailableError

__all__ = [
    "AUTO",
    "BACKENDS",
    "BF16",
    "FP16",
    "FP32",
    "INT8",
    "ONNXRUNTIME",
    "OPENVINO",
    "PRECISIONS",
    "TENSORRT",
    "TENSORRT_RTX",
    "Engine",
    "load_engine",
]


class Engine(Protocol):
    """A loaded graph."""

    @property
    def description(self) -> str:
        """Back end, version, device and precision that really run, for logs and diagnostics."""

    @property
    def inputs(self) -> frozenset[str]:
        """Names of the graph's inputs."""

    @property
    def outputs(self) -> frozenset[str]:
        """Names of the graph's outputs."""

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Compute all outputs of the graph by name.

        Raises:
            InferenceError: the back end failed.
        """


def load_engine(
    graph: bytes,
    name: str,
    backend: str,
    threads: int,
    precision: str = AUTO,
    warn: Say = say_nothing,
) -> Engine:
    """Load one ONNX graph for the CPU.

    Args:
        graph: verified ONNX model; for ``int8`` one whose convolutions are quantised. Its bytes and
            not its path, so that weights in other files than the verified one cannot be pulled in.
        name: where it is from, for errors.
        backend: ``onnxruntime`` or ``openvino``.
        threads: CPU threads of one inference.
        precision: one of ``PRECISIONS``; ``auto`` is ``fp32``.
        warn: is told what is wrong although it runs, a sentence each.

    Raises:
        BackendUnavailableError: another back end, or it cannot run here.
    """
    if backend == ONNXRUNTIME:
        from starrygazer_ros.backends.onnxruntime import OnnxRuntimeEngine

        if precision not in (AUTO, FP32, INT8):
            raise BackendUnavailableError(
                f"ONNX Runtime computes in fp32 or int8 here, not in {precision}: set precision to "
                "auto"
            )
        return OnnxRuntimeEngine(graph, name, threads, FP32 if precision == AUTO else precision)
    if backend == OPENVINO:
        from starrygazer_ros.backends.openvino import OpenVinoEngine

        exact = FP32 if precision == AUTO else precision
        return OpenVinoEngine(graph, name, threads, exact, warn)
    raise BackendUnavailableError(
        f"no back end '{backend}' runs a graph on the CPU: choose {OPENVINO} or {ONNXRUNTIME}"
    )
