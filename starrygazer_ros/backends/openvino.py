"""OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.completion.errors import BackendUnavailableError, InferenceError

# What OpenVINO calls them. Left to itself it takes bf16 where the CPU has it, which changes the
# depth of CNNs by per cents.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoEngine:
    """One compiled model and its only request.

    Args:
        path: ONNX file.
        threads: CPU threads, at least 1.
        precision: ``fp32``, or ``bf16`` where the CPU has it.

    Raises:
        BackendUnavailableError: OpenVINO is missing, refuses the graph, or has no such precision.
    """

    def __init__(self, path: Path, threads: int, precision: str) -> None:
        if precision not in _PRECISIONS:
            raise BackendUnavailableError(
                f"OpenVINO computes in {' or '.join(_PRECISIONS)} on a CPU, not in {precision}"
            )
        try:
            import openvino
        except ImportError as error:
            raise BackendUnavailableError(
                f"OpenVINO cannot be imported ({error}): pip install 'starrygazer_ros[openvino]'"
            ) from error
        try:
            core = openvino.Core()
            # From memory, so that weights outside the verified file cannot be pulled in.
            model = core.read_model(path.read_bytes())
            compiled = core.compile_model(model, "CPU", _properties(threads, precision))
            self._request: Any = compiled.create_infer_request()
            really = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        except Exception as error:  # the binding's exception classes are not public
            raise BackendUnavailableError(f"OpenVINO cannot load {path}: {error}") from error
        if really != _PRECISIONS[precision]:
            raise BackendUnavailableError(
                f"OpenVINO has no {precision} on this CPU, it would compute in {really}"
            )
        self.inputs = frozenset(port.any_name for port in compiled.inputs)
        self.outputs = frozenset(port.any_name for port in compiled.outputs)
        self.description = (
            f"openvino {openvino.__version__.split('-')[0]}, CPU, {threads} threads, {precision}"
        )

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Compute all outputs of the graph by name.

        Raises:
            InferenceError: OpenVINO failed.
        """
        try:
            self._request.infer(dict(inputs))
            # Copies: the request's own arrays are those of its next inference, too.
            return {name: np.array(self._request.get_tensor(name).data) for name in self.outputs}
        except Exception as error:  # the binding's exception classes are not public
            raise InferenceError(f"OpenVINO failed: {error}") from error


def _properties(threads: int, precision: str) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "CACHE_DIR": str(cache_folder("openvino")),
    }
