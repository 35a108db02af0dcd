"""One training loop for every network: warm-up, cosine decay, EMA, bf16, checkpoint, resume."""

from __future__ import annotations

import copy
import json
import math
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

Batch = TypeVar("Batch")

EMA_DECAY = 0.998
WARM_UP_STEPS = 100
CHECKPOINT_SECONDS = 180.0


class TrainingRun:
    """Trains one network and leaves its averaged weights in ``work/NAME.safetensors``.

    Optimiser state is checkpointed every three minutes, so that an interrupted run continues; the
    log ``work/NAME.jsonl`` has one line per validation.

    Args:
        name: of the network, used for file names.
        work: folder for checkpoints, logs and results.
        model: initialised network.
        steps: optimiser steps of the whole run.
        learning_rate: peak rate of AdamW.
        validations: how often to validate over the run.
    """

    def __init__(
        self,
        name: str,
        work: Path,
        model: nn.Module,
        steps: int,
        learning_rate: float,
        validations: int = 8,
    ) -> None:
        self.name, self.work, self.steps, self.learning_rate = name, work, steps, learning_rate
        self.model = model.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.02)
        self.every = max(1, steps // validations)
        self.done = 0
        work.mkdir(parents=True, exist_ok=True)

    @property
    def result(self) -> Path:
        """Averaged weights of the finished run."""
        return self.work / f"{self.name}.safetensors"

    @property
    def _checkpoint(self) -> Path:
        return self.work / f"{self.name}.checkpoint.safetensors"

    def fit(
        self,
        draw: Callable[[random.Random], Batch],
        loss_of: Callable[[nn.Module, Batch], Tensor],
        validate: Callable[[nn.Module], dict[str, float]],
    ) -> None:
        """Run to the end.

        Args:
            draw: makes a batch; called in a thread, one batch ahead.
            loss_of: loss of a batch.
            validate: figures to log.
        """
        self._resume()
        last_saved = time.monotonic()
        running = 0.0
        with (
            ThreadPoolExecutor(1) as ahead,
            tqdm(total=self.steps, initial=self.done, desc=self.name, mininterval=10) as bar,
        ):
            # Seeded by the step, so that a resumed run sees the same batches.
            upcoming = ahead.submit(draw, random.Random(self.done))
            while self.done < self.steps:
                batch = upcoming.result()
                upcoming = ahead.submit(draw, random.Random(self.done + 1))
                torch.manual_seed(self.done)
                loss = self._optimize(loss_of, batch)
                running = loss if running == 0 else 0.98 * running + 0.02 * loss
                self.done += 1
                bar.update()
                bar.set_postfix(loss=f"{running:.4f}", refresh=False)
                if self.done % self.every == 0 or self.done == self.steps:
                    self._log(running, validate)
                if time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                    self._save()
                    last_saved = time.monotonic()
        save_file(_contiguous(self.average.state_dict()), self.result)
        self._checkpoint.unlink(missing_ok=True)

    def _optimize(self, loss_of: Callable[[nn.Module, Batch], Tensor], batch: Batch) -> float:
        rate = min(1.0, (self.done + 1) / WARM_UP_STEPS)
        rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.done / self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * rate
        self.model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(self.model, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if not torch.isfinite(norm):
            return float("nan")  # skip the update; a lasting fault shows as a NaN loss in the log
        self.optimizer.step()
        decay = min(EMA_DECAY, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for average, value in zip(
                self.average.state_dict().values(), self.model.state_dict().values(), strict=True
            ):
                if average.is_floating_point():
                    average.lerp_(value, 1 - decay)
                else:
                    average.copy_(value)
        return float(loss.detach())

    @torch.inference_mode()
    def _log(self, loss: float, validate: Callable[[nn.Module], dict[str, float]]) -> None:
        figures = {key: round(float(value), 4) for key, value in validate(self.average).items()}
        line = json.dumps({"step": self.done, "loss": round(loss, 4), **figures})
        tqdm.write(line)
        with (self.work / f"{self.name}.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def _save(self) -> None:
        moments = {
            f"optimizer.{index}.{key}": value
            for index, entry in self.optimizer.state_dict()["state"].items()
            for key, value in entry.items()
        }
        model = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        average = {f"average.{k}": v for k, v in self.average.state_dict().items()}
        partial = self._checkpoint.with_suffix(".partial")
        tensors = _contiguous({**model, **average, **moments})
        save_file(tensors, partial, metadata={"step": str(self.done)})
        partial.rename(self._checkpoint)

    def _resume(self) -> None:
        if not self._checkpoint.exists():
            return
        with safe_open(self._checkpoint, "pt") as file:
            self.done = int(file.metadata()["step"])
        tensors = load_file(self._checkpoint)
        self.model.load_state_dict(_below("model.", tensors))
        self.average.load_state_dict(_below("average.", tensors))
        state = self.optimizer.state_dict()
        for name, value in _below("optimizer.", tensors).items():
            index, key = name.split(".")
            state["state"].setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(state)


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """Load a finished run's weights; the network comes back in evaluation mode."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run the training stage that makes it first")
    model.load_state_dict(load_file(path))
    return model.eval().requires_grad_(False)


def _contiguous(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
