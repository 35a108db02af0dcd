"""Data-parallel training on several processes or machines, started by ``torchrun``.

Every process computes its own chunks of the global batch; gradients, losses and BatchNorm
statistics are averaged, so the number of processes changes the time and nothing else. Gloo carries
the data, because the training runs on CPUs. All processes must see the same DATA and WORK folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# The others wait while the first process fills caches and validates, which can take hours.
TIMEOUT = timedelta(days=2)


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other processes if ``torchrun`` started this one."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    dist.init_process_group("gloo", timeout=TIMEOUT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that logs, validates and saves."""
    return rank() == 0


@contextmanager
def first_process_first() -> Iterator[None]:
    """Run the block in the first process, then in the others, which find the caches filled."""
    if processes() > 1 and not is_first():
        dist.barrier()
    yield
    if processes() > 1 and is_first():
        dist.barrier()


def average_(tensors: Sequence[Tensor]) -> None:
    """Replace float32 tensors by their means over the processes, in one message."""
    if processes() == 1:
        return
    flat = torch.cat([t.detach().reshape(-1) for t in tensors])
    dist.all_reduce(flat)
    flat /= processes()
    parts = torch.split(flat, [t.numel() for t in tensors])
    with torch.no_grad():
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


def same_everywhere(value: int) -> bool:
    """Whether every process passes the same value."""
    if processes() == 1:
        return True
    extremes = torch.tensor([value, -value])
    dist.all_reduce(extremes, dist.ReduceOp.MAX)
    return bool(extremes[0] == value) and bool(extremes[1] == -value)


class BatchNormStatistics:
    """Lets the running statistics of a step be the mean over the chunks of its batch.

    Chunk after chunk would weigh the last most, and processes would each keep their own. Every
    chunk starts from the statistics before the step instead, and what the chunks make is averaged.
    With a single chunk nothing is done.

    Attributes:
        means: what this process's chunks have made so far.
    """

    def __init__(self, model: nn.Module, chunks: int) -> None:
        layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and chunks > 1]
        self._live = [b for layer in layers for b in layer.buffers()]
        self._before = [buffer.clone() for buffer in self._live]
        self._averaged = [b for b in self._live if b.is_floating_point()]  # not the batch counter
        self.means = [torch.zeros_like(b) for b in self._averaged]

    def before_chunk(self) -> None:
        """Begin from the statistics before the step."""
        for live, before in zip(self._live, self._before, strict=True):
            live.copy_(before)

    def after_chunk(self, count: int) -> None:
        """Add what one of this process's ``count`` chunks has made."""
        for live, mean in zip(self._averaged, self.means, strict=True):
            mean += live / count

    def apply(self) -> None:
        """Put the means in place."""
        for live, mean in zip(self._averaged, self.means, strict=True):
            live.copy_(mean)
