"""The method on a GPU: the image goes up as it is, only depth and confidence come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.backends.tensorrt.device import Device, Tensor
from starrygazer_ros.backends.tensorrt.execution import PlanRunner
from starrygazer_ros.backends.tensorrt.resampling import resizing_matrix
from starrygazer_ros.completion.bundle import ModelBundle
from starrygazer_ros.completion.errors import InferenceError, in_one_line
from starrygazer_ros.completion.pipelines import Prediction
from starrygazer_ros.completion.stage_clock import StageClock


@dataclass(frozen=True, eq=False)
class _Buffers:
    """Everything for images of one size, made once: host memory, device memory, work.

    Attributes:
        image: host uint8 [H, W, 3].
        sparse_depth: host float32 [H, W].
        outputs: host float32 [H, W] by name.
        device_inputs: where image and sparse depth go.
        device_outputs: float32 [H, W] by name, what the outputs are copied from.
        bind: hands the tensors of this size to the engines.
        work: from the uploaded inputs to the outputs.
    """

    image: Tensor
    sparse_depth: Tensor
    outputs: dict[str, Tensor]
    device_inputs: tuple[Tensor, Tensor]
    device_outputs: dict[str, Tensor]
    bind: Callable[[], None]
    work: Callable[[], None]


class DevicePipeline:
    """Both engines on one stream, chained in device memory.

    Args:
        bundle: whose graphs they run.
        mde: the monocular depth engine.
        refinement: the refinement engine.
        device: of both.
        description: back end, version, GPU and precision.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        mde: PlanRunner,
        refinement: PlanRunner,
        device: Device,
        description: str,
    ) -> None:
        self.description = description
        self._bundle = bundle
        self._mde = mde
        self._refinement = refinement
        self._device = device
        self._size: tuple[int, int] | None = None
        self._buffers: _Buffers | None = None
        self._images = 0
        self._replay: Callable[[], None] | None = None
        self._recordable = True

    def run(
        self,
        image: NDArray[np.uint8],
        sparse_depth: NDArray[np.float32],
        clock: StageClock,
        relative_depth: bool = True,
    ) -> Prediction:
        """See :class:`~starrygazer_ros.completion.pipelines.Pipeline`.

        The stages are ``upload``, ``engines`` and ``download``, each of them synchronised.
        """
        try:
            with self._device.in_order():
                buffers = self._buffers_of(sparse_depth.shape[0], sparse_depth.shape[1])
                self._upload(buffers, image, sparse_depth)
                clock.lap("upload")
                self._compute(buffers)
                clock.lap("engines")
                prediction = self._download(buffers, relative_depth)
                clock.lap("download")
                return prediction
        except RuntimeError as error:  # PyTorch's, also for memory that is not there
            raise InferenceError(f"the GPU failed: {in_one_line(error)}") from error

    def _upload(
        self, buffers: _Buffers, image: NDArray[np.uint8], sparse_depth: NDArray[np.float32]
    ) -> None:
        buffers.image.numpy()[:] = image
        buffers.sparse_depth.numpy()[:] = sparse_depth
        pixels, sparse = buffers.device_inputs
        pixels.copy_(buffers.image, non_blocking=True)
        sparse.copy_(buffers.sparse_depth, non_blocking=True)
        self._device.synchronize()

    def _compute(self, buffers: _Buffers) -> None:
        """The second image of a size is recorded as a CUDA graph, which the next ones replay.

        The first is not, because TensorRT allocates memory in its first run.
        """
        if self._images == 1 and self._recordable:
            try:
                self._replay = self._device.capture(buffers.work)
            except RuntimeError:  # some engines wait for the host in between
                self._recordable = False
                self._device.synchronize()
        if self._replay is not None:
            self._replay()
        else:
            buffers.work()
        self._images += 1
        self._device.synchronize()

    def _download(self, buffers: _Buffers, relative_depth: bool) -> Prediction:
        wanted = {
            name: output
            for name, output in buffers.outputs.items()
            if relative_depth or name != "relative_depth"
        }
        for name, output in wanted.items():
            output.copy_(buffers.device_outputs[name], non_blocking=True)
        self._device.synchronize()
        # Copies: the pinned memory is that of the next image, too.
        found = {name: np.array(output.numpy()) for name, output in wanted.items()}
        return Prediction(found["depth"], found["confidence"], found.get("relative_depth"))

    def _buffers_of(self, height: int, width: int) -> _Buffers:
        if self._buffers is None or self._size != (height, width):
            self._replay, self._images = None, 0
            self._buffers = None  # frees the memory of the other size first
            buffers = self._make_buffers(height, width)
            buffers.bind()  # before it is kept: a size that is refused is refused again
            self._buffers, self._size = buffers, (height, width)
        return self._buffers

    def _make_buffers(self, height: int, width: int) -> _Buffers:
        device = self._device
        rows, columns = map(self._bundle.refinement.filled, (height, width))
        mde_rows, mde_columns = self._bundle.mde_size(height, width)
        shrinks = mde_rows < height

        def matrix(old: int, new: int, area: bool, padded: int | None = None) -> Tensor:
            return device.upload(resizing_matrix(old, new, area, padded))

        to_mde = matrix(height, mde_rows, shrinks), matrix(width, mde_columns, shrinks).T
        from_mde = (
            matrix(mde_rows, height, height < mde_rows, rows),
            matrix(mde_columns, width, height < mde_rows, columns).T,
        )
        host_image = device.host(height, width, 3, dtype="uint8")
        host_sparse = device.host(height, width)
        pixels = device.empty(height, width, 3, dtype="uint8")
        sparse = device.empty(height, width)
        small_image = device.empty(1, 3, mde_rows, mde_columns)
        small_depth = device.empty(1, 1, mde_rows, mde_columns)
        tensors = {
            "image": device.empty(1, 3, rows, columns),
            "relative_depth": device.empty(1, 1, rows, columns),
            "sparse_depth": device.empty(1, 1, rows, columns).zero_(),
            "depth": device.empty(1, 1, rows, columns),
            "confidence": device.empty(1, 1, rows, columns),
        }
        names = ("depth", "confidence", "relative_depth")
        outputs = {name: device.host(height, width) for name in names}

        def bind() -> None:
            self._mde.bind({"image": small_image, "relative_depth": small_depth})
            self._refinement.bind(tensors)

        def work() -> None:
            planar = pixels.permute(2, 0, 1).float()
            # Whole levels, as the resized image of the host has them.
            small = (to_mde[0] @ planar @ to_mde[1]).round_().clamp_(0, 255)
            small_image[0].copy_(small.mul_(1 / 255))
            self._mde.enqueue()
            tensors["relative_depth"][0, 0].copy_(from_mde[0] @ small_depth[0, 0] @ from_mde[1])
            image = tensors["image"][0]
            image[:, :height, :width].copy_(planar.mul_(1 / 255))
            image[:, height:, :width].copy_(image[:, height - 1 : height, :width])
            image[:, :, width:].copy_(image[:, :, width - 1 : width])
            tensors["sparse_depth"][0, 0, :height, :width].copy_(sparse)
            self._refinement.enqueue()

        return _Buffers(
            image=host_image,
            sparse_depth=host_sparse,
            outputs=outputs,
            device_inputs=(pixels, sparse),
            device_outputs={name: tensors[name][0, 0, :height, :width] for name in names},
            bind=bind,
            work=work,
        )
