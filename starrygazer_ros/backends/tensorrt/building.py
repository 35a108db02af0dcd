"""An ONNX graph to a TensorRT plan."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from starrygazer_ros.backends.options import Say
from starrygazer_ros.backends.tensorrt.platform import no_driver
from starrygazer_ros.completion.errors import BackendUnavailableError

MEBIBYTE = 1 << 20
PROGRESS_PERIOD = 5.0  # s between two lines about a build
Shape = tuple[int, ...]


class BuildError(BackendUnavailableError):
    """TensorRT cannot make a plan of the graph here."""

    cause = "engine_build"


@dataclass(frozen=True)
class BuildOptions:
    """How a plan is built; plans of other options are other plans.

    Attributes:
        workspace_mib: memory that a layer may use for its work [MiB].
        optimization_level: 0 to 5, how long TensorRT searches.
        tf32: fp32 matrix products may be computed with 10 bits of mantissa.
    """

    workspace_mib: int = 2048
    optimization_level: int = 3
    tf32: bool = True


@dataclass(frozen=True)
class InputShapes:
    """Sizes that a plan takes of one input, the middle one is computed fastest."""

    smallest: Shape
    best: Shape
    largest: Shape


def build_plan(
    trt: ModuleType,
    graph: bytes,
    shapes: dict[str, InputShapes],
    options: BuildOptions,
    name: str,
    say: Say,
) -> bytes:
    """Build a strongly typed plan, which computes in the types that the graph says.

    Args:
        trt: ``tensorrt`` or ``tensorrt_rtx``.
        graph: content of a verified ONNX file.
        shapes: of all inputs by name.
        options: how to build.
        name: of the graph, for the progress.
        say: is told the progress.

    Raises:
        BuildError: the graph cannot be built; with TensorRT's own words.
        BackendUnavailableError: CUDA cannot be initialised.
    """
    logger = _make_logger(trt)
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # pybind11's word for "no GPU that can be used"
        raise no_driver(trt.__name__, "builder") from error
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        errors = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise BuildError(f"{name} cannot be read by {trt.__name__} {trt.__version__}: {errors}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib * MEBIBYTE)
    config.builder_optimization_level = options.optimization_level
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    profile = builder.create_optimization_profile()
    for tensor, sizes in shapes.items():
        profile.set_shape(tensor, sizes.smallest, sizes.best, sizes.largest)
    config.add_optimization_profile(profile)
    config.progress_monitor = _make_monitor(trt, name, say)
    say(f"building {name} with {trt.__name__} {trt.__version__}: takes seconds to minutes, once")
    began = time.monotonic()
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        words = "; ".join(logger.errors) or "it gives no reason"
        memory = any("memory" in line.lower() for line in logger.errors)
        hint = (
            f": lower tensorrt.workspace_mib ({options.workspace_mib}) or tensorrt.max_height and "
            "max_width, or close what else uses the GPU"
            if memory
            else ""
        )
        raise BuildError(f"{trt.__name__} cannot build {name} ({words}){hint}")
    say(f"built {name} in {time.monotonic() - began:.0f} s")
    return bytes(memoryview(plan))


def _make_logger(trt: ModuleType) -> Any:
    """Keeps the errors, which belong into our own sentences."""

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(" ".join(message.split()))

    return Logger()


def _make_monitor(trt: ModuleType, name: str, say: Say) -> Any:
    """Tells the outermost phase every few seconds."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._told = time.monotonic()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._steps and time.monotonic() - self._told > PROGRESS_PERIOD:
                self._told = time.monotonic()
                say(f"building {name}: {phase_name}, {step + 1} of {self._steps[phase_name]}")
            return True  # go on

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Monitor()
