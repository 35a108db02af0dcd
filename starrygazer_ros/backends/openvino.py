"""OpenVINO on the CPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.names import BF16, FP32, INT8
from starrygazer_ros.completion.errors import BackendUnavailableError, InferenceError

# What OpenVINO calls them. Left to itself it takes bf16 where the CPU has it, which changes the
# depth of CNNs by per cents.
_PRECISIONS = {FP32: "f32", BF16: "bf16", INT8: "f32"}  # the rest of a graph in int8 is in f32
_LARGEST_NUMBER = 4  # sizes that are kept compiled


class OpenVinoEngine:
    """One model, compiled for each size that it is run with.

    Compiled for any size it takes half as long again as compiled for one.

    Args:
        graph: ONNX model.
        name: where it is from, for errors.
        threads: CPU threads, at least 1.
        precision: ``fp32``, ``bf16`` where the CPU has it, ``int8`` for a quantised graph.

    Raises:
        BackendUnavailableError: OpenVINO is missing, refuses the graph, or has no such precision.
    """

    def __init__(self, graph: bytes, name: str, threads: int, precision: str) -> None:
        if precision not in _PRECISIONS:
            raise BackendUnavailableError(
                f"OpenVINO computes in {' or '.join(_PRECISIONS)} on a CPU, not in {precision}"
            )
        try:
            import openvino
        except ImportError as error:
            raise BackendUnavailableError(
                f"OpenVINO cannot be imported ({error}): pip install openvino"
            ) from error
        try:
            self._core = openvino.Core()
            self._model = self._core.read_model(graph)
            capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        except Exception as error:  # the binding's exception classes are not public
            raise BackendUnavailableError(f"OpenVINO cannot load {name}: {error}") from error
        if precision == BF16 and "BF16" not in capabilities:
            raise BackendUnavailableError(f"this CPU has no bf16, only {', '.join(capabilities)}")
        self._properties = _properties(threads, precision)
        self._requests: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self.inputs = frozenset(port.any_name for port in self._model.inputs)
        self.outputs = frozenset(port.any_name for port in self._model.outputs)
        self.description = (
            f"openvino {openvino.__version__.split('-')[0]}, CPU, {threads} threads, {precision}"
        )

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Compute all outputs of the graph by name; the first time of a size takes a second more.

        Raises:
            InferenceError: OpenVINO failed.
        """
        try:
            request = self._request({name: values.shape for name, values in inputs.items()})
            request.infer(dict(inputs))
            # Copies: the request's own arrays are those of its next inference, too.
            return {name: np.array(request.get_tensor(name).data) for name in self.outputs}
        except Exception as error:  # the binding's exception classes are not public
            raise InferenceError(f"OpenVINO failed: {error}") from error

    def _request(self, shapes: dict[str, tuple[int, ...]]) -> Any:
        """The request of these shapes, which keeps its own memory."""
        key = tuple(sorted(shapes.items()))
        if key not in self._requests:
            self._model.reshape({name: list(shape) for name, shape in shapes.items()})
            compiled = self._core.compile_model(self._model, "CPU", self._properties)
            self._requests[key] = compiled.create_infer_request()
            while len(self._requests) > _LARGEST_NUMBER:
                self._requests.popitem(last=False)
        self._requests.move_to_end(key)
        return self._requests[key]


def _properties(threads: int, precision: str) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "CACHE_DIR": str(cache_folder("openvino")),
    }
