"""One training loop for every network: warm-up, cosine decay, EMA, bf16, checkpoint, resume."""

from __future__ import annotations

import copy
import json
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from starrygazer_training import distributed
from starrygazer_training.autocast import bf16_where_computed
from starrygazer_training.config import ConfigError, RunConfig
from starrygazer_training.distributed import BatchNormStatistics
from starrygazer_training.run_log import RunLog, Validation
from starrygazer_training.run_state import (
    DamagedFileError,
    Progress,
    RunFiles,
    contiguous,
    load_checkpoint,
    load_tensors,
    require_same_config,
    save_checkpoint,
    write_atomically,
)

Batch = TypeVar("Batch")
Draw = Callable[[random.Random], Batch]
LossOf = Callable[[nn.Module, Batch], Tensor]
Validate = Callable[[nn.Module], Validation | dict[str, float]]

LOSS_MEMORY = 0.98  # of the running loss that is shown and logged
MOST_SKIPPED = 20  # updates without a finite gradient in a row: the training has diverged


class TrainingRun:
    """Trains one network and leaves its averaged weights in ``work/NAME.safetensors``.

    A run that was interrupted continues from its checkpoint and ends with the same weights, bit by
    bit, as one that was not.

    Args:
        name: of the network, used for file names.
        work: folder for checkpoints, logs and results.
        model: initialised network.
        config: how to train.
        data: frames that are learned from, by data set; for the record.
        watched: frames that are only validated on, by data set; for the record.
    """

    def __init__(
        self,
        name: str,
        work: Path,
        model: nn.Module,
        config: RunConfig,
        data: Mapping[str, int] | None = None,
        watched: Mapping[str, int] | None = None,
    ) -> None:
        self.files, self.config = RunFiles(work, name), config
        # PyTorch's stubs leave this argument out.
        self.model: nn.Module = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.every = max(1, config.steps // config.validations)
        self.done = 0
        self.running_loss: float | None = None
        self.seconds = 0.0
        self._used = {"data": dict(data or {}), "watched": dict(watched or {})}
        self._skipped = 0
        work.mkdir(parents=True, exist_ok=True)
        if config.chunks % distributed.processes():
            raise ConfigError(
                f"{name}: {config.chunks} chunks cannot be shared evenly by "
                f"{distributed.processes()} processes; set chunks to a multiple of them"
            )

    @property
    def result(self) -> Path:
        """Averaged weights of the finished run."""
        return self.files.result

    def fit(self, draw: Draw[Batch], loss_of: LossOf[Batch], validate: Validate) -> None:
        """Run to the end.

        Args:
            draw: makes a batch of ``config.chunk_size`` samples from the generator that it is
                given and nothing else; called in threads, ahead of the network.
            loss_of: mean loss of such a batch.
            validate: figures to log, with pictures or without.
        """
        self._resume()
        loss_module: nn.Module = _Loss(self.model, loss_of)
        if distributed.processes() > 1:
            loss_module = DistributedDataParallel(loss_module, forward_sync_buffers=False)
        began = saved = time.monotonic()
        before = self.seconds
        with (
            ThreadPoolExecutor(self.config.loader_threads) as pool,
            RunLog(
                self.files, self.config.steps, self.done, silent=not distributed.is_first()
            ) as log,
        ):
            chunks = self._chunks(draw, pool)
            while self.done < self.config.steps:
                scalars = self._optimize(loss_module, chunks)
                self.done += 1
                log.step(self.done, self.running_loss, scalars)
                if self.done % self.every == 0 or self.done == self.config.steps:
                    self._validate(validate, log)
                now = time.monotonic()
                self.seconds = before + now - began
                if now - saved >= self.config.checkpoint_seconds and distributed.is_first():
                    self._save()
                    log.saved(self.done, self.running_loss)
                    saved = now
        with distributed.first_process_first():
            if distributed.is_first():
                self._finish()

    def _own_chunks(self) -> range:
        """Numbers of this process's chunks in a batch."""
        return range(distributed.rank(), self.config.chunks, distributed.processes())

    def _chunks(self, draw: Draw[Batch], pool: ThreadPoolExecutor) -> Iterator[tuple[int, Batch]]:
        """This process's chunks in order, each with its seed, drawn ahead in threads."""
        waiting: deque[tuple[int, Future[Batch]]] = deque()
        for step in range(self.done, self.config.steps):
            for chunk in self._own_chunks():
                # Nothing but these three decides what is drawn, so a resumed run sees the same.
                seed = (self.config.seed << 32) + step * self.config.chunks + chunk
                waiting.append((seed, pool.submit(draw, random.Random(seed))))
                if len(waiting) > self.config.loader_threads:
                    ready, future = waiting.popleft()
                    yield ready, future.result()
        while waiting:
            ready, future = waiting.popleft()
            yield ready, future.result()

    def _optimize(
        self, loss_module: nn.Module, chunks: Iterator[tuple[int, Any]]
    ) -> dict[str, float]:
        """One step; returns what is worth plotting."""
        config = self.config
        rate = min(1.0, (self.done + 1) / config.warm_up_steps)
        rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.done / config.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * rate
        loss = self._backward(loss_module, chunks)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_norm)
        if torch.isfinite(norm):
            self.optimizer.step()
            self._update_average()
            before = loss if self.running_loss is None else self.running_loss
            self.running_loss = LOSS_MEMORY * before + (1 - LOSS_MEMORY) * loss
            self._skipped = 0
        else:
            self._skipped += 1
            if self._skipped > MOST_SKIPPED:
                raise FloatingPointError(
                    f"{self.files.name}: no finite gradient in {self._skipped} steps before step "
                    f"{self.done}; the training has diverged, lower its learning_rate"
                )
        return {
            "loss": loss,
            "gradient norm": float(norm),
            "learning rate": config.learning_rate * rate,
        }

    def _backward(self, loss_module: nn.Module, chunks: Iterator[tuple[int, Any]]) -> float:
        """Gradients of the mean loss over all chunks of all processes; returns that loss."""
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        count = len(self._own_chunks())
        statistics = BatchNormStatistics(self.model, self.config.chunks)
        mean_loss = torch.zeros(())
        for index in range(count):
            seed, batch = next(chunks)
            torch.manual_seed(seed)
            statistics.before_chunk()
            # Gradients are averaged over processes once, with the last chunk.
            with _no_sync(loss_module) if index < count - 1 else nullcontext():
                with bf16_where_computed():
                    loss = loss_module(batch) / count
                loss.backward()
            statistics.after_chunk(count)
            mean_loss += loss.detach().float()
        distributed.average_([mean_loss, *statistics.means])
        statistics.apply()
        return float(mean_loss)

    def _update_average(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for average, value in zip(
                self.average.state_dict().values(), self.model.state_dict().values(), strict=True
            ):
                if average.is_floating_point():
                    average.lerp_(value, 1 - decay)
                else:
                    average.copy_(value)

    @torch.inference_mode()
    def _validate(self, validate: Validate, log: RunLog) -> None:
        if not distributed.is_first():
            return
        outcome = validate(self.average)
        if not isinstance(outcome, Validation):
            outcome = Validation(outcome)
        log.validation(self.done, self.running_loss, outcome)

    def _save(self) -> None:
        moments = {
            f"optimizer.{index}.{key}": value
            for index, entry in self.optimizer.state_dict()["state"].items()
            for key, value in entry.items()
        }
        model = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        average = {f"average.{k}": v for k, v in self.average.state_dict().items()}
        progress = Progress(self.done, self.running_loss, self.seconds, self.config.identity)
        save_checkpoint(self.files.checkpoint, progress, {**model, **average, **moments})

    def _resume(self) -> None:
        if self.files.checkpoint.exists():
            progress, tensors = load_checkpoint(self.files.checkpoint)
            require_same_config(self.files.checkpoint, progress, self.config)
            self.done, self.seconds = progress.step, progress.seconds
            self.running_loss = progress.loss
            try:
                self._restore(tensors)
            except (RuntimeError, ValueError, KeyError) as error:
                raise _unfitting(
                    self.files.checkpoint, error, "delete it to begin this network again"
                ) from None
        if not distributed.same_everywhere(self.done):
            raise ConfigError(
                f"{self.files.name}: the processes would continue from different steps; "
                f"{self.files.work} must be one folder that all machines see"
            )

    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict(_below("model.", tensors))
        self.average.load_state_dict(_below("average.", tensors))
        state = self.optimizer.state_dict()
        for name, value in _below("optimizer.", tensors).items():
            index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(state)

    def _finish(self) -> None:
        """Write the record, then the result; a kill in between repeats only the last steps."""
        record = {
            "name": self.files.name,
            "config": self.config.identity,
            "config_sha256": self.config.sha256,
            **self._used,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "seconds": round(self.seconds, 1),
            "processes": distributed.processes(),
            "threads": torch.get_num_threads(),
            "torch": version("torch"),
            "loss": self.running_loss,
        }
        write_atomically(self.files.record, json.dumps(record, indent=2).encode() + b"\n")
        write_atomically(self.files.result, save(contiguous(self.average.state_dict())))
        self.files.checkpoint.unlink(missing_ok=True)


class _Loss(nn.Module):
    """Network and loss in one, because DistributedDataParallel wraps whole forward passes."""

    def __init__(self, model: nn.Module, loss_of: LossOf[Any]) -> None:
        super().__init__()
        self.model, self._loss_of = model, loss_of

    def forward(self, batch: Any) -> Tensor:
        """Scalar loss of a batch."""
        return self._loss_of(self.model, batch)


def _no_sync(module: nn.Module) -> AbstractContextManager[None]:
    """Keep the gradients of a chunk in this process for now."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """Load a finished run's weights; the network comes back in evaluation mode.

    Raises:
        FileNotFoundError: there are none.
        DamagedFileError: they cannot be read, or are those of another network.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run the training stage that makes it first")
    remedy = "delete it and train this network again"
    tensors = load_tensors(path, remedy)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise _unfitting(path, error, remedy) from None
    return model.eval().requires_grad_(False)


def _unfitting(path: Path, error: Exception, remedy: str) -> DamagedFileError:
    """The error for tensors of another network; PyTorch lists all of them, one is enough."""
    lines = str(error).strip().splitlines()
    reason = lines[min(1, len(lines) - 1)].strip()[:200]
    return DamagedFileError(f"{path} does not fit the network ({reason}): {remedy}")


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
