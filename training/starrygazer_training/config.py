"""The configuration of a training: typed, checked, read from YAML and saved beside the results.

The defaults below are the recipe of the shipped bundle; ``training/config/default.yaml`` spells
them out, and a test keeps the two equal.
"""

from __future__ import annotations

import hashlib
import json
from argparse import ArgumentError
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import (  # type: ignore[attr-defined]  # the first is exported, but not by name
    ActionConfigFile,
    ArgumentParser,
    Namespace,
)

SECTIONS = ("teacher", "student", "refine")
EXPORTED_CELL = 4  # pixels; networks are trained on four times as many cells, docs/speed.md
TRAINED_CELL = 2  # unless ``cells`` says something else
GRID_MULTIPLE = 16  # cells in a coarsest cell of the refinement network
CROP_MULTIPLE = GRID_MULTIPLE * TRAINED_CELL


class ConfigError(ValueError):
    """A configuration that cannot be used; the message is one line that names the key."""


def _number(low: float, high: float, default: Any = None, weights: bool = True) -> Any:
    """A number from ``low`` to ``high``.

    Args:
        low: smallest value.
        high: largest value.
        default: value where nothing is given; none makes the number required.
        weights: whether another value gives other weights.
    """
    metadata = {"range": (low, high), "weights": weights}
    return field(default=MISSING if default is None else default, metadata=metadata)


def _choice(default: Any) -> Any:
    """Something else than a number, which gives other weights when it is changed."""
    return field(default=default, metadata={"weights": True})


@dataclass(frozen=True)
class RunConfig:
    """How one network is trained.

    Attributes:
        steps: optimiser steps of the whole run.
        batch: samples in a step, over all chunks and processes.
        learning_rate: peak rate of AdamW.
        chunks: equal parts of a batch that go through the network separately, one after the other
            or on several processes. BatchNorm takes its statistics from one chunk, so the weights
            depend on the number of chunks, not on the number of processes.
        weight_decay: of AdamW.
        warm_up_steps: steps until the learning rate reaches its peak.
        ema_decay: of the exponential moving average of the weights, which is the result.
        gradient_norm: longer gradients are shortened to this.
        seed: of the first weights, the batches and the dropout.
        validations: how often figures are logged over the run.
        checkpoint_seconds: time between two checkpoints.
        loader_threads: threads that draw batches ahead of the network.
        renders: rendered scenes to learn from, beside the photographs or sensors.
        render_share: of a batch that is drawn from them.
    """

    steps: int = _number(1, 100_000_000)
    batch: int = _number(1, 65_536)
    learning_rate: float = _number(1e-8, 1.0)
    renders: int = _number(0, 1_000_000, 4000)
    render_share: float = _number(0.0, 1.0, 0.5)
    chunks: int = _number(1, 65_536, 1)
    weight_decay: float = _number(0.0, 1.0, 0.02)
    warm_up_steps: int = _number(1, 1_000_000, 100)
    ema_decay: float = _number(0.0, 0.999999, 0.998)
    gradient_norm: float = _number(1e-6, 1e6, 1.0)
    seed: int = _number(0, 2**31 - 1, 0)
    validations: int = _number(1, 100_000, 8, weights=False)
    checkpoint_seconds: float = _number(0.0, 86_400.0, 180.0, weights=False)
    loader_threads: int = _number(1, 256, 1, weights=False)

    def __post_init__(self) -> None:
        for entry in (e for e in fields(self) if "range" in e.metadata):
            value = getattr(self, entry.name)
            low, high = entry.metadata["range"]
            if not low <= value <= high:  # false for NaN, too
                raise ConfigError(f"{entry.name} is {value}, it must be from {low} to {high}")
        if self.render_share > 0 and self.renders == 0:
            raise ConfigError(f"render_share is {self.render_share}, but renders is 0")
        if self.batch % self.chunks:
            raise ConfigError(f"chunks is {self.chunks}, which does not divide batch {self.batch}")

    @property
    def rendered(self) -> int:
        """Rendered samples in a chunk; at least one is not."""
        return min(round(self.render_share * self.chunk_size), self.chunk_size - 1)

    @property
    def chunk_size(self) -> int:
        """Samples that go through the network at a time."""
        return self.batch // self.chunks

    @property
    def identity(self) -> dict[str, Any]:
        """The part that decides the weights; a run resumes only with the same."""
        return {e.name: getattr(self, e.name) for e in fields(self) if e.metadata["weights"]}

    @property
    def sha256(self) -> str:
        """Hash of the identity."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class TeacherConfig(RunConfig):
    """How the head of the teacher is trained.

    Attributes:
        feature_dropout: share of the backbone's channels that is hidden in a step. Few scenes have
            depth: without it the head learns the rooms by heart.
        ceiling_weight: of the loss on what is nearer than the LiDAR's highest returns allow.
        gradient_weight: of the loss on the gradients over scales, which makes edges sharp.
        trunk_steps: before the others, of the part that sees one depth a patch, at a tenth of
            the cost.
        trunk_batch: samples in such a step.
    """

    steps: int = _number(1, 100_000_000, 1500)
    chunks: int = _number(1, 65_536, 2)
    batch: int = _number(1, 65_536, 8)
    learning_rate: float = _number(1e-8, 1.0, 1e-3)
    render_share: float = _number(0.0, 1.0, 0.7)
    validations: int = _number(1, 100_000, 6, weights=False)
    feature_dropout: float = _number(0.0, 0.95, 0.3)
    ceiling_weight: float = _number(0.0, 1000.0, 0.5)
    gradient_weight: float = _number(0.0, 1000.0, 2.0)
    trunk_steps: int = _number(0, 100_000_000, 3000)
    trunk_batch: int = _number(1, 65_536, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trunk_batch % self.chunks:
            raise ConfigError(
                f"chunks is {self.chunks}, which does not divide trunk_batch {self.trunk_batch}"
            )

    @property
    def trunk(self) -> TeacherConfig:
        """How the trunk alone is trained."""
        return replace(self, steps=max(1, self.trunk_steps), batch=self.trunk_batch)


@dataclass(frozen=True)
class StudentConfig(RunConfig):
    """How the student is distilled from the teacher.

    Attributes:
        feature_weight: of the loss between the student's and the backbone's features.
        gradient_weight: of the loss on the gradients over scales, which makes edges sharp.
    """

    steps: int = _number(1, 100_000_000, 8000)
    chunks: int = _number(1, 65_536, 2)
    batch: int = _number(1, 65_536, 8)
    learning_rate: float = _number(1e-8, 1.0, 2e-3)
    render_share: float = _number(0.0, 1.0, 0.4)
    feature_weight: float = _number(0.0, 1000.0, 0.5)
    gradient_weight: float = _number(0.0, 1000.0, 1.0)


@dataclass(frozen=True)
class RefineConfig(RunConfig):
    """How the refinement network is trained.

    Attributes:
        mde: whose relative depth it gets: ``student`` or ``accurate`` (the teacher itself), both
            trained before, or the name or folder of a bundle.
        segments: what is segmented to make pairs of photographs: ``depth`` as in the paper,
            ``depth+rgb``, ``rgb``, ``sam`` for masks of the Segment Anything Model, or ``none`` for
            one global rescaling.
        sam_checkpoint: for ``sam``: folder with config.json, which tells the type of the model, and
            model.safetensors, such as a download of facebook/sam-vit-base.
        snap_band: pixels by which borders of segments may move to the photograph's edges; SAM's
            masks follow them already.
        faults: whether sensor faults are simulated.
        image: whether the network sees the image.
        relative_depth: whether the network sees relative depth.
        start: name or folder of a bundle whose refinement is trained further; none = from nothing.
        cells: pixels on a side of the grid's cells; each chunk has one of them, and loses what does
            not fill a coarsest cell.
        crop_rows: height of a training sample, a multiple of 32.
        crop_columns: its width, likewise.
    """

    steps: int = _number(1, 100_000_000, 3600)
    chunks: int = _number(1, 65_536, 2)
    batch: int = _number(1, 65_536, 8)
    learning_rate: float = _number(1e-8, 1.0, 1e-3)
    validations: int = _number(1, 100_000, 10, weights=False)
    render_share: float = _number(0.0, 1.0, 0.67)
    mde: str = _choice("student")
    segments: Literal["depth", "depth+rgb", "rgb", "sam", "none"] = _choice("depth")
    sam_checkpoint: str | None = _choice(None)
    snap_band: int = _number(0, 64, 5)
    faults: bool = _choice(True)
    image: bool = _choice(True)
    relative_depth: bool = _choice(True)
    start: str | None = _choice(None)
    cells: tuple[int, ...] = _choice((TRAINED_CELL,))
    crop_rows: int = _number(32, 2048, 192)
    crop_columns: int = _number(32, 2048, 256)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("crop_rows", "crop_columns"):
            if getattr(self, name) % CROP_MULTIPLE:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, it must be a multiple of {CROP_MULTIPLE}"
                )

        smallest = min(self.crop)
        if not self.cells or min(self.cells) < 2 or smallest < 2 * GRID_MULTIPLE * max(self.cells):
            raise ConfigError(
                f"cells is {list(self.cells)}, it must hold numbers from 2 to "
                f"{smallest // (2 * GRID_MULTIPLE)} for crops with sides of {smallest}"
            )
        if self.segments == "sam" and not self.sam_checkpoint:
            raise ConfigError(
                "sam_checkpoint is not given, but segments is sam: give the folder of a SAM "
                "checkpoint with config.json and model.safetensors"
            )

    @property
    def identity(self) -> dict[str, Any]:
        """As of every run; what was added later is a part of it only where it is used."""
        identity = super().identity
        if self.segments != "sam":
            del identity["sam_checkpoint"]
        if self.start is None:
            del identity["start"]
        identity["cells"] = list(self.cells)  # as JSON knows them
        if self.cells == (TRAINED_CELL,):
            del identity["cells"]
        return identity

    @property
    def crop(self) -> tuple[int, int]:
        """Rows and columns of a training sample."""
        return self.crop_rows, self.crop_columns


def _licences() -> dict[str, str]:
    """Of what the training makes itself; data sets are named by the recipe."""
    return {"renders": "rendered by the training itself, textures from photos"}


@dataclass(frozen=True)
class Config:
    """Everything that a training can be told.

    Attributes:
        teacher: how the head of the teacher is trained.
        student: how the student is distilled from the teacher.
        refine: how the refinement network is trained.
        licences: licence of each data set, for the model card.
    """

    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)
    licences: dict[str, str] = field(default_factory=_licences)


class _TextConfigFile(ActionConfigFile):
    """Says which file is no text, where jsonargparse fails on its bytes."""

    def __call__(
        self, parser: Any, cfg: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Read the file.

        Raises:
            ConfigError: it is not UTF-8.
        """
        if Path(values).is_file():
            try:
                Path(values).read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise ConfigError(f"{values} is no YAML text in UTF-8: {error}") from None
        super().__call__(parser, cfg, values, option_string)  # type: ignore[no-untyped-call]


def add_arguments(parser: ArgumentParser) -> None:
    """Let a parser read ``--config FILE`` and an override for every key."""
    parser.add_argument(
        "--config", action=_TextConfigFile, help="YAML file with any of the keys below"
    )
    parser.add_class_arguments(Config)


def resolve(arguments: Namespace) -> Config:
    """Build the configuration from what the parser read.

    Raises:
        ConfigError: a value is out of its range.
    """
    parts: dict[str, Any] = {"licences": dict(arguments.licences)}
    for section, kind in zip(SECTIONS, (TeacherConfig, StudentConfig, RefineConfig), strict=True):
        values = arguments[section]
        if not isinstance(values, Namespace):
            raise ConfigError(f"{section} is {values!r}, it must hold keys and values")
        try:
            parts[section] = kind(**values.as_dict())
        except ConfigError as error:
            raise ConfigError(f"{section}.{error}") from None
    return Config(**parts)


def load(path: Path) -> Config:
    """Read a YAML file; keys that it leaves out keep their defaults.

    Raises:
        ConfigError: the file cannot be read, or has an unknown key or a wrong value.
    """
    parser = ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    try:
        return resolve(parser.parse_args([f"--config={path}"]))
    except ArgumentError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None


def save(config: Config, path: Path) -> None:
    """Write every key as YAML that :func:`load` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(asdict(config), sort_keys=False), encoding="utf-8")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The keys whose values differ, for a message: ``steps 3600 → 4000``."""
    keys = [k for k in {**before, **now} if before.get(k) != now.get(k)]
    return ", ".join(f"{k} {before.get(k, 'absent')} → {now.get(k, 'absent')}" for k in keys)
