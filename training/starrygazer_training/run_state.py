"""What a training run leaves in the work folder: result, checkpoint, record.

    NAME.safetensors             averaged weights of the finished run
    NAME.checkpoint.safetensors  everything that an interrupted run continues from
    NAME.run.json                configuration, data, time and losses of the finished run
    NAME.jsonl                   one line of figures per validation

Files are written beside their place and renamed, so that none is ever half there.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from starrygazer_training.atomic_files import open_replacement
from starrygazer_training.config import ConfigError, RunConfig, differences

NETWORKS = ("teacher", "student", "refinement")

_LOG = logging.getLogger(__name__)
# What the stages need of a record.
_RECORDED = {"config", "seconds"}


class DamagedFileError(ConfigError):
    """A file in the work folder cannot be read; the message says which and what to do."""


class ChangedConfigError(ConfigError):
    """A run would continue with another configuration than it began with."""


@dataclass(frozen=True)
class RunFiles:
    """The files of one run.

    Attributes:
        work: folder.
        name: of the network.

    Raises:
        ConfigError: ``work`` is no folder.
    """

    work: Path
    name: str

    def __post_init__(self) -> None:
        require_folder(self.work)

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
        """The record, ``None`` if the run left none (it is older than records).

        Raises:
            DamagedFileError: it cannot be read.
        """
        if not self.record.exists():
            return None
        remedy = "restore it, or delete it to go on without what it tells"
        record = read_json(self.record, remedy)
        if missing := sorted(_RECORDED - record.keys()):
            raise DamagedFileError(f"{self.record} has no {', '.join(missing)}: {remedy}")
        return record

    def read_log(self) -> list[dict[str, float]]:
        """The lines of the log.

        A last line that is cut short, as a killed run leaves it, is left out with a warning.

        Raises:
            DamagedFileError: an earlier line cannot be read.
        """
        if not self.log.exists():
            return []
        lines = self.log.read_bytes().splitlines()
        read = []
        for number, line in enumerate(lines, 1):
            try:
                figures = json.loads(line)
                if not isinstance(figures, dict) or "step" not in figures:
                    raise ValueError("no figures of a step")
            except ValueError as error:
                if number < len(lines):
                    raise DamagedFileError(
                        f"{self.log} is damaged in line {number} ({error}): delete this line, or "
                        "the file to go on without the figures of earlier validations"
                    ) from None
                _LOG.warning("%s: the last line is cut short (%s), left out", self.log, error)
            else:
                read.append(figures)
        return read


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
    """Read a checkpoint.

    Raises:
        ChangedConfigError: an older version of the training wrote it.
        DamagedFileError: it cannot be read.
    """
    remedy = "delete it to begin this network again"
    tensors = load_tensors(path, remedy)
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    if "progress" not in metadata:
        raise ChangedConfigError(f"{path} is from an older version of the training; delete it")
    try:
        return Progress(**json.loads(metadata["progress"])), tensors
    except (ValueError, TypeError) as error:
        raise DamagedFileError(f"{path} is damaged ({error}): {remedy}") from None


def load_tensors(path: Path, remedy: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file by name.

    Args:
        path: of the file.
        remedy: what to do if it is damaged, for the message.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFileError: it cannot be read.
    """
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise DamagedFileError(f"{path} is damaged ({error}): {remedy}") from None


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """A JSON file that holds one object; arguments and errors as for :func:`load_tensors`."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # of JSON or UTF-8
        raise DamagedFileError(f"{path} is damaged ({error}): {remedy}") from None
    if not isinstance(content, dict):
        raise DamagedFileError(f"{path} is damaged (no JSON object): {remedy}")
    return content


def require_folder(work: Path) -> None:
    """Refuse a work folder that cannot be one.

    Raises:
        ConfigError: it, or a folder above it, is a file.
    """
    above = next((part for part in (work, *work.absolute().parents) if part.exists()), None)
    if above is not None and not above.is_dir():
        raise ConfigError(f"{above} is a file: give another folder for --work")


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
    with open_replacement(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in the layout that safetensors stores."""
    return {name: tensor.contiguous() for name, tensor in state.items()}
