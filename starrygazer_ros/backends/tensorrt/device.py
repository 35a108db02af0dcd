"""Memory and order of work on the GPU, by PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tensor = Any  # torch.Tensor; PyTorch is imported where a GPU is used


class Device(Protocol):
    """Where engines compute; tests give the host's memory instead."""

    stream: int
    """Handle of the CUDA stream on which everything happens in order."""

    def empty(self, *shape: int, dtype: str = "float32") -> Tensor:
        """A tensor in device memory."""

    def host(self, *shape: int, dtype: str = "float32") -> Tensor:
        """A tensor in pinned host memory, which the device reads and writes by itself."""

    def upload(self, values: NDArray[np.float32]) -> Tensor:
        """A tensor in device memory that holds these values."""

    def in_order(self) -> Any:
        """Context manager: what PyTorch does inside goes onto the stream."""

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record work, whose tensors and shapes stay, as a CUDA graph; what replays it.

        Raises:
            RuntimeError: something in it cannot be recorded.
        """

    def synchronize(self) -> None:
        """Wait until the stream has done everything."""


class CudaDevice:
    """PyTorch's current CUDA device and a stream of its own."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._stream = torch.cuda.Stream()
        self.stream: int = self._stream.cuda_stream

    def empty(self, *shape: int, dtype: str = "float32") -> Tensor:
        """See :class:`Device`."""
        return self._torch.empty(shape, dtype=getattr(self._torch, dtype), device="cuda")

    def host(self, *shape: int, dtype: str = "float32") -> Tensor:
        """See :class:`Device`."""
        return self._torch.empty(shape, dtype=getattr(self._torch, dtype), pin_memory=True)

    def upload(self, values: NDArray[np.float32]) -> Tensor:
        """See :class:`Device`."""
        return self._torch.from_numpy(values).to("cuda")

    def in_order(self) -> Any:
        """See :class:`Device`."""
        return self._torch.cuda.stream(self._stream)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """See :class:`Device`."""
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream):
            work()
        replay: Callable[[], None] = graph.replay
        return replay

    def synchronize(self) -> None:
        """See :class:`Device`."""
        self._stream.synchronize()
