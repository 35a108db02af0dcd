"""A plan, ready to run on tensors in device memory."""

from __future__ import annotations

from types import ModuleType

from starrygazer_ros.backends.tensorrt.device import Device, Tensor
from starrygazer_ros.backends.tensorrt.platform import no_driver
from starrygazer_ros.completion.errors import BackendUnavailableError, InferenceError


class PlanError(BackendUnavailableError):
    """TensorRT does not take a plan: of another version, for another GPU, or damaged."""

    cause = "engine_plan"


class PlanRunner:
    """An execution context whose tensors are bound by name.

    Args:
        trt: ``tensorrt`` or ``tensorrt_rtx``.
        plan: of this version and GPU.
        device: on whose stream it runs.
        name: of the graph, for messages.

    Raises:
        PlanError: TensorRT does not take the plan.
        BackendUnavailableError: CUDA cannot be initialised.
    """

    def __init__(self, trt: ModuleType, plan: bytes, device: Device, name: str) -> None:
        self._device = device
        self._name = name
        self._logger = trt.Logger(trt.Logger.ERROR)  # the runtime does not own it
        try:
            self._runtime = trt.Runtime(self._logger)
        except TypeError as error:  # pybind11's word for "no GPU that can be used"
            raise no_driver(trt.__name__, "runtime") from error
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise PlanError(f"{trt.__name__} {trt.__version__} does not take the plan of {name}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise PlanError(
                f"there is no memory on the GPU to run {name}: lower tensorrt.max_height and "
                "max_width, or close what else uses the GPU"
            )
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        modes = {tensor: self._engine.get_tensor_mode(tensor) for tensor in names}
        self.inputs = frozenset(n for n in names if modes[n] == trt.TensorIOMode.INPUT)
        self.outputs = frozenset(names) - self.inputs

    def bind(self, tensors: dict[str, Tensor]) -> None:
        """Run on these tensors, inputs and outputs, from now on.

        Raises:
            InferenceError: a shape is outside of what the plan was built for.
        """
        for name, tensor in tensors.items():
            shape = tuple(tensor.shape)
            if name in self.inputs and not self._context.set_input_shape(name, shape):
                raise InferenceError(
                    f"the plan of {self._name} takes {self._range(name)}, not {list(shape)}: set "
                    "tensorrt.max_height and max_width to the size of the images"
                )
            if not self._context.set_tensor_address(name, tensor.data_ptr()):
                raise InferenceError(f"{self._name} does not take the memory of {name}")
        missing = self._context.infer_shapes()
        if missing:
            raise InferenceError(f"{self._name} lacks {', '.join(missing)}")

    def enqueue(self) -> None:
        """Put one execution onto the stream.

        Raises:
            InferenceError: TensorRT refuses.
        """
        if not self._context.execute_async_v3(self._device.stream):
            raise InferenceError(f"TensorRT failed to run {self._name}")

    def _range(self, name: str) -> str:
        smallest, _, largest = self._engine.get_tensor_profile_shape(name, 0)
        return f"{list(smallest)} to {list(largest)}"
