"""ONNX Runtime on the CPU: the default back end and the reference for all others."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends.names import FP32
from starrygazer_ros.completion.errors import BackendUnavailableError, InferenceError


class OnnxRuntimeEngine:
    """One ONNX Runtime session.

    Args:
        graph: ONNX model.
        name: where it is from, for errors.
        threads: intra-op threads, at least 1.
        precision: of its convolutions, for the description.

    Raises:
        BackendUnavailableError: ONNX Runtime is missing or refuses the graph.
    """

    def __init__(self, graph: bytes, name: str, threads: int, precision: str = FP32) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise BackendUnavailableError(
                f"ONNX Runtime cannot be imported ({error}): pip install onnxruntime"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads take the CPU from the rest of the robot and are slower on a busy machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Small pieces of work for each thread: the last one is waited for less.
        options.add_session_config_entry("session.dynamic_block_base", "4")
        # Weights in other files, which no hash has verified, are looked for where there are none;
        # else it would be the current folder.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", os.devnull
        )
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the binding's exception classes are not public
            raise BackendUnavailableError(f"ONNX Runtime cannot load {name}: {error}") from error
        self.inputs = frozenset(node.name for node in self._session.get_inputs())
        self.outputs = frozenset(node.name for node in self._session.get_outputs())
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        version = f"onnxruntime {onnxruntime.__version__}"
        self.description = ", ".join([version, provider, f"{threads} threads", precision])

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Compute all outputs of the graph by name.

        Raises:
            InferenceError: ONNX Runtime failed.
        """
        names = list(self.outputs)
        try:
            return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
        except Exception as error:  # the binding's exception classes are not public
            raise InferenceError(f"ONNX Runtime failed: {error}") from error
