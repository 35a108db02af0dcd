"""What TensorRT and which GPU there are, or a sentence that says what is missing."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from starrygazer_ros.backends.names import TENSORRT, TENSORRT_RTX
from starrygazer_ros.backends.tensorrt.device import CudaDevice, Device
from starrygazer_ros.completion.errors import BackendUnavailableError, in_one_line

OLDEST = (10, 3)
_WHERE = {
    TENSORRT: "on a Jetson it comes with JetPack (apt install python3-libnvinfer), elsewhere pip "
    "install tensorrt torch",
    TENSORRT_RTX: "pip install tensorrt-rtx torch",
}


@dataclass(frozen=True)
class Gpu:
    """A GPU as plans depend on it.

    Attributes:
        name: of the model.
        compute_capability: such as ``8.7``.
        multiprocessors: their number.
        cuda: version of the CUDA that PyTorch uses.
        driver: newest CUDA version that the driver knows.
    """

    name: str
    compute_capability: str
    multiprocessors: int
    cuda: str
    driver: str

    def as_dict(self) -> dict[str, str | int]:
        """Values by name."""
        return asdict(self)


@dataclass(frozen=True)
class Platform:
    """What plans are built for and by.

    Attributes:
        trt: the Python package.
        gpu: what plans depend on.
        make_device: a device for one pipeline.
    """

    trt: ModuleType
    gpu: Gpu
    make_device: Callable[[], Device]


def find_platform(backend: str) -> Platform:
    """TensorRT and the GPU of this machine.

    Raises:
        BackendUnavailableError: something is missing; says what.
    """
    return Platform(import_tensorrt(backend), find_gpu(), CudaDevice)


def import_tensorrt(backend: str) -> ModuleType:
    """The Python package of a back end.

    Args:
        backend: ``tensorrt`` or ``tensorrt_rtx``.

    Raises:
        BackendUnavailableError: it is not installed, or too old.
    """
    try:
        trt = import_module(backend)
    except Exception as error:  # a missing library is an OSError, a wrong one may be anything
        raise BackendUnavailableError(
            f"the Python package {backend} cannot be imported ({in_one_line(error)}): "
            f"{_WHERE[backend]}"
        ) from error
    version = tuple(int(part) for part in trt.__version__.split(".")[:2])
    if backend == TENSORRT and version < OLDEST:
        raise BackendUnavailableError(
            f"TensorRT {trt.__version__} is too old: {'.'.join(map(str, OLDEST))} or newer is "
            "needed (JetPack 6.1)"
        )
    return trt


def find_gpu() -> Gpu:
    """The GPU that PyTorch uses.

    Raises:
        BackendUnavailableError: PyTorch, the driver or a GPU is missing; says which.
    """
    try:
        import torch
    except Exception as error:  # a broken installation raises OSError and others
        raise BackendUnavailableError(
            f"PyTorch, which holds the GPU's memory, cannot be imported ({in_one_line(error)}): "
            "install the build for this CUDA or JetPack"
        ) from error
    driver = driver_version()
    if not torch.cuda.is_available():
        built = torch.version.cuda
        reason = (
            "this PyTorch is built without CUDA: install the build for this CUDA or JetPack"
            if built is None
            else "there is no GPU that it can use: see nvidia-smi (Jetson: tegrastats)"
            if driver
            else "no NVIDIA driver is loaded (libcuda.so.1 cannot be used): install it, or start "
            "the container with --gpus all or --runtime nvidia"
        )
        raise BackendUnavailableError(f"PyTorch {torch.__version__} has no GPU: {reason}")
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return Gpu(
        properties.name,
        f"{properties.major}.{properties.minor}",
        properties.multi_processor_count,
        str(torch.version.cuda),
        driver,
    )


def driver_version() -> str:
    """Newest CUDA version that the NVIDIA driver knows, empty without one."""
    version = ctypes.c_int(0)
    try:
        driver: Any = ctypes.CDLL("libcuda.so.1")
        failed = driver.cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return ""
    # 1000 times the major plus 10 times the minor version (CUDA Driver API).
    return "" if failed else f"{version.value // 1000}.{version.value % 1000 // 10}"


def no_driver(backend: str, what: str) -> BackendUnavailableError:
    """What TensorRT's bindings mean by a TypeError of pybind11, of ``what`` that was made."""
    return BackendUnavailableError(
        f"{backend} cannot make its {what}: CUDA cannot be initialised (often error 35: the driver "
        f"is missing or older than this {backend} needs; it knows CUDA {driver_version() or '?'}). "
        "Compare nvidia-smi with NVIDIA's support matrix, or install an older TensorRT"
    )
