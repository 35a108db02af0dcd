"""OpenVINO on the CPU."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.names import BF16, FP32, INT8
from starrygazer_ros.backends.options import Say, say_nothing
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
        warn: is told what is wrong although it runs.

    Raises:
        BackendUnavailableError: OpenVINO is missing, refuses the graph, or has no such precision.
    """

    def __init__(
        self, graph: bytes, name: str, threads: int, precision: str, warn: Say = say_nothing
    ) -> None:
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
        self._cache = _Cache(cache_folder("openvino"), warn)
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
            properties = {**self._properties, **self._cache.properties()}
            compiled = self._core.compile_model(self._model, "CPU", properties)
            self._cache.check(compiled)
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
    }


class _Cache:
    """The folder in which OpenVINO keeps what it compiles; without one it compiles all the same.

    OpenVINO fails where it cannot make the folder, and says nothing where there is no room in it.

    Args:
        folder: made if it is missing.
        warn: is told if nothing can be kept in it.
    """

    def __init__(self, folder: Path, warn: Say) -> None:
        self._folder = folder
        self._warn = warn
        self._before: set[tuple[str, int]] = set()

    def properties(self) -> dict[str, str]:
        """Those with which to compile the next model."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._before = self._kept()
        except OSError as error:
            self._cannot_keep(error.strerror or str(error))
            return {}
        return {"CACHE_DIR": str(self._folder)}

    def check(self, compiled: Any) -> None:
        """Warn if a model that was just compiled was neither in the folder nor is now."""
        try:
            if compiled.get_property("LOADED_FROM_CACHE") or self._kept() - self._before:
                return
        except Exception:  # no folder, which was told; the binding's exceptions are not public
            return
        writable = os.access(self._folder, os.W_OK)
        self._cannot_keep("no room" if writable else "not writable")

    def _kept(self) -> set[tuple[str, int]]:
        """Name and time of each file; a damaged one is written again under its name."""
        kept = set()
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):  # another process has just replaced it
                kept.add((entry.name, entry.stat().st_mtime_ns))
        return kept

    def _cannot_keep(self, reason: str) -> None:
        self._warn(
            f"compiled models cannot be kept in {self._folder} ({reason}): each start compiles "
            "them anew, for seconds; make room there, or set XDG_CACHE_HOME to a folder that can "
            "be written"
        )
