"""Inference back ends: one small protocol, one module each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.errors import BackendUnavailableError

BACKENDS = ("auto", "onnxruntime")


class Engine(Protocol):
    """A loaded graph."""

    @property
    def description(self) -> str:
        """Back end, version and device that really run, for logs and diagnostics."""

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


def load_engine(path: Path, backend: str, threads: int) -> Engine:
    """Load one ONNX graph.

    Args:
        path: verified ONNX file.
        backend: one of ``BACKENDS``; ``auto`` takes the fastest usable one.
        threads: CPU threads of one inference.

    Raises:
        BackendUnavailableError: unknown back end, or it cannot run here.
    """
    if backend not in BACKENDS:
        raise BackendUnavailableError(
            f"unknown back end '{backend}': choose one of {', '.join(BACKENDS)}"
        )
    from starrygazer_ros.backends.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(path, threads)
