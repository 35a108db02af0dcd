"""TensorRT's Python API with ONNX Runtime in the place of the GPU, on pointers into host memory.

Only what the back end uses is there, under the names and with the arguments that the contract tests
find in NVIDIA's own bindings.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime

MAGIC = b"PLAN"


class HostDevice:
    """PyTorch's CPU tensors in the place of a GPU's."""

    stream = 0

    def __init__(self, recordable: bool = True) -> None:
        import torch

        self._torch = torch
        self._recordable = recordable
        self.captured = self.replayed = 0

    def empty(self, *shape: int, dtype: str = "float32") -> Any:
        return self._torch.full(shape, 77, dtype=getattr(self._torch, dtype))

    host = empty

    def upload(self, values: np.ndarray) -> Any:
        return self._torch.from_numpy(values.copy())

    def in_order(self) -> Any:
        return contextlib.nullcontext()

    def capture(self, work: Any) -> Any:
        if not self._recordable:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            work()

        return replay

    def synchronize(self) -> None:
        pass


class FakeTensorRt:
    """A module like ``tensorrt``; its settings make it fail in one way or another.

    Args:
        version: it says to be.
        out_of_memory: builds fail.
        no_gpu: builder and runtime cannot be made.
        wrong_in_fp16: factor of the depth of graphs whose file name says fp16.
    """

    __name__ = "tensorrt"

    def __init__(self, version: str = "10.3.0", **faults: Any) -> None:  # noqa: C901
        self.__version__ = version
        self.faults = faults
        self.builds: list[str] = []
        self.with_tf32: list[bool] = []
        fake = self

        class ILogger:
            INTERNAL_ERROR, ERROR, WARNING = "internal_error", "error", "warning"

            def __init__(self) -> None:
                pass

        class Logger(ILogger):
            def __init__(self, severity: str) -> None:
                pass

        class IProgressMonitor:
            def __init__(self) -> None:
                pass

        class Builder:
            def __init__(self, logger: Any) -> None:
                if fake.faults.get("no_gpu"):
                    raise TypeError("pybind11::init(): factory function returned nullptr")
                self._logger = logger

            def create_network(self, flags: int) -> Any:
                assert flags == 1 << 1
                return SimpleNamespace(graph=b"")

            def create_builder_config(self) -> Any:
                return _Config()

            def create_optimization_profile(self) -> Any:
                return _Profile()

            def build_serialized_network(self, network: Any, config: Any) -> Any:
                if fake.faults.get("out_of_memory"):
                    self._logger.log(ILogger.WARNING, "not this")
                    self._logger.log(ILogger.ERROR, "Requested amount of GPU memory\n (9 bytes)")
                    return None
                monitor = config.progress_monitor
                monitor.phase_start("Building Engine", None, 2)
                assert monitor.step_complete("Building Engine", 0) is True
                monitor.phase_finish("Building Engine")
                (profile,) = config.profiles
                fake.builds.append(fake.__version__)
                fake.with_tf32.append(config.tf32)
                head = {"version": fake.__version__, "profile": profile.shapes}
                return bytearray(MAGIC + json.dumps(head).encode() + b"\n" + network.graph)

        class OnnxParser:
            def __init__(self, network: Any, logger: Any) -> None:
                self._network = network
                self.num_errors = 0

            def parse(self, graph: bytes) -> bool:
                try:
                    onnx.checker.check_model(onnx.load_from_string(graph))
                except Exception:
                    self.num_errors = 1
                    return False
                self._network.graph = graph
                return True

            def get_error(self, index: int) -> str:
                return "In node 3 (importFallbackPluginImporter): UNSUPPORTED_NODE"

        class Runtime:
            def __init__(self, logger: Any) -> None:
                if fake.faults.get("no_gpu"):
                    raise TypeError("pybind11::init(): factory function returned nullptr")

            def deserialize_cuda_engine(self, plan: bytes) -> Any:
                head, _, graph = plan.removeprefix(MAGIC).partition(b"\n")
                try:
                    about = json.loads(head)
                    if not plan.startswith(MAGIC) or about["version"] != fake.__version__:
                        return None
                    return _Engine(graph, about["profile"], fake)
                except Exception:  # damaged; NVIDIA's says why on stderr
                    return None

        self.ILogger, self.Logger, self.IProgressMonitor = ILogger, Logger, IProgressMonitor
        self.Builder, self.OnnxParser, self.Runtime = Builder, OnnxParser, Runtime
        self.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
        self.MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
        self.BuilderFlag = SimpleNamespace(TF32="tf32")
        self.TensorIOMode = SimpleNamespace(INPUT="input", OUTPUT="output")


class _Config:
    def __init__(self) -> None:
        self.profiles: list[Any] = []
        self.tf32 = True
        self.builder_optimization_level = 0
        self.progress_monitor: Any = None

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        assert pool == "workspace"
        assert size >= 1 << 20

    def clear_flag(self, flag: str) -> None:
        assert flag == "tf32"
        self.tf32 = False

    def add_optimization_profile(self, profile: Any) -> int:
        self.profiles.append(profile)
        return 0


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, Any] = {}

    def set_shape(self, tensor: str, smallest: Any, best: Any, largest: Any) -> None:
        assert all(a <= b <= c for a, b, c in zip(smallest, best, largest, strict=True))
        self.shapes[tensor] = [smallest, best, largest]


class _Engine:
    def __init__(self, graph: bytes, profile: dict[str, Any], fake: FakeTensorRt) -> None:
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._inputs = [node.name for node in self._session.get_inputs()]
        self._outputs = [node.name for node in self._session.get_outputs()]
        self._profile = profile
        metadata = self._session.get_modelmeta().custom_metadata_map
        wrong = metadata.get("precision") == "fp16" and fake.faults.get("wrong_in_fp16")
        self._factor = wrong or 1.0
        self.num_io_tensors = len(self._inputs) + len(self._outputs)

    def get_tensor_name(self, index: int) -> str:
        return [*self._inputs, *self._outputs][index]

    def get_tensor_mode(self, name: str) -> str:
        return "input" if name in self._inputs else "output"

    def get_tensor_profile_shape(self, name: str, profile: int) -> Any:
        return self._profile[name]

    def create_execution_context(self) -> Any:
        return _Context(self._session, self._profile, self._inputs, self._outputs, self._factor)


class _Context:
    def __init__(
        self, session: Any, profile: Any, inputs: list[str], outputs: list[str], factor: float
    ) -> None:
        self._session, self._profile = session, profile
        self._inputs, self._outputs, self._factor = inputs, outputs, factor
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        smallest, _, largest = self._profile[name]
        inside = all(a <= b <= c for a, b, c in zip(smallest, shape, largest, strict=True))
        if inside:
            self._shapes[name] = shape
        return inside

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def infer_shapes(self) -> list[str]:
        return [name for name in self._inputs if name not in self._shapes]

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == 0
        feed = {name: _at(self._addresses[name], self._shapes[name]) for name in self._inputs}
        results = self._session.run(self._outputs, feed)
        for name, result in zip(self._outputs, results, strict=True):
            values = result * np.float32(self._factor if name == "depth" else 1.0)
            _at(self._addresses[name], result.shape)[:] = values
        return True


def _at(address: int, shape: tuple[int, ...]) -> np.ndarray:
    values = (ctypes.c_float * int(np.prod(shape))).from_address(address)
    return np.frombuffer(values, np.float32).reshape(shape)
