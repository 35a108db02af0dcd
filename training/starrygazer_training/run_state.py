"""What a training run leaves in the work folder: result, checkpoint, record.

    NAME.safetensors             averaged weights of the finished run
    NAME.checkpoint.safetensors  everything that an interrupted run continues from
    NAME.run.json                configuration, data, time and losses of the finished run
    NAME.jsonl                   one line of figures per validation

Files are written beside their place and renamed, so that none is ever half there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from starrygazer_training.config import ConfigError, RunConfig, differences

NETWORKS = ("teacher", "student", "refinement")


class ChangedConfigError(ConfigError):
    """A run would continue with another configuration than it began with."""


@dataclass(frozen=True)
class RunFiles:
    """The files of one run.

    Attributes:
        work: folder.
        name: of the network.
    """

    work: Path
    name: str

    @property
    def result(self) -> Path:
        """Averaged weights of the finished run."""
        return self.work / f"{self.name}.safetensors"

    @property
    def checkpoint(self) -> Path:
        """State of the unfinished run."""
        return self.work / f"{self.name}.checkpoint.safetensors"

    @property
    def record(self) -> Path:
        """What the model card tells about the finished run."""
        return self.work / f"{self.name}.run.json"

    @property
    def log(self) -> Path:
        """Figures, one line of JSON per validation."""
        return self.work / f"{self.name}.jsonl"

    def read_record(self) -> dict[str, Any] | None:
        """The record, ``None`` if the run left none (it is older than records)."""
        if not self.record.exists():
            return None
        record: dict[str, Any] = json.loads(self.record.read_text(encoding="utf-8"))
        return record

    def read_log(self) -> list[dict[str, float]]:
        """The lines of the log."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Progress:
    """Where a run is, beside its tensors.

    Attributes:
        step: finished optimiser steps.
        loss: running mean of the loss, ``None`` before the first step.
        seconds: time spent so far.
        config: the part of the configuration that decides the weights.
    """

    step: int
    loss: float | None
    seconds: float
    config: dict[str, Any]


def save_checkpoint(path: Path, progress: Progress, tensors: Mapping[str, Tensor]) -> None:
    """Write a checkpoint.

    No generator state is needed: every batch and every dropout mask is seeded by its step.
    """
    metadata = {"progress": json.dumps(vars(progress))}
    write_atomically(path, save(contiguous(tensors), metadata))


def load_checkpoint(path: Path) -> tuple[Progress, dict[str, Tensor]]:
    """Read a checkpoint."""
    return _progress(path), load_file(path)


def _progress(path: Path) -> Progress:
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    if "progress" not in metadata:
        raise ChangedConfigError(f"{path} is from an older version of the training; delete it")
    return Progress(**json.loads(metadata["progress"]))


def require_same_config(path: Path, progress: Progress, config: RunConfig) -> None:
    """Refuse to continue a checkpoint with another configuration.

    Raises:
        ChangedConfigError: names the keys that differ.
    """
    if changes := differences(progress.config, config.identity):
        raise ChangedConfigError(
            f"{path.name} was written with another configuration ({changes}); restore it, delete "
            f"the file to begin again, or continue all the same with --force-resume"
        )


def adopt_checkpoint(files: RunFiles, config: RunConfig) -> None:
    """Make an unfinished run continue with ``config``, whatever it began with."""
    if not files.checkpoint.exists():
        return
    progress, tensors = load_checkpoint(files.checkpoint)
    if changes := differences(progress.config, config.identity):
        print(f"{files.name}: continues at step {progress.step} with {changes}")
        changed = Progress(progress.step, progress.loss, progress.seconds, config.identity)
        save_checkpoint(files.checkpoint, changed, tensors)


def is_finished(files: RunFiles, config: RunConfig, force: bool = False) -> bool:
    """Whether the run's result is there.

    Args:
        files: of the run.
        config: what the run should have been made with.
        force: take a result that was made with another configuration.

    Raises:
        ChangedConfigError: the result was made with another configuration.
    """
    if not files.result.exists() or files.checkpoint.exists():
        return False
    record = files.read_record()
    changes = differences(record["config"], config.identity) if record else ""
    if changes and not force:
        raise ChangedConfigError(
            f"{files.result} was made with another configuration ({changes}); restore it, delete "
            f"the file to train again, or keep it all the same with --force-resume"
        )
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is complete or absent, even if the machine stops."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in the layout that safetensors stores."""
    return {name: tensor.contiguous() for name, tensor in state.items()}
