"""Data sets in their official layouts, read by ``training/``, as scenes that can be scored."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scenes import Scene, SceneError, SceneSet

TRAINING = Path(__file__).resolve().parents[1] / "training"
KINDS = ("kitti-selection", "kitti", "nyu-mat", "nyu-h5", "void", "folder")

_HALF_CROPPED = ("nyu-mat", "nyu-h5")
# Metres that a data set's own protocol compares; the others compare whatever is known.
_COMPARED = {"void": (0.2, 5.0)}
_DENSE_SHARE = 0.5  # of the pixels with truth, from which on depth edges can be found in it


@dataclass(frozen=True)
class Dataset:
    """What ``--dataset`` names.

    Attributes:
        scenes: its frames.
        has_sparse_depth: they bring their own; where not, a protocol draws it from the truth.
        dense_truth: the truth has no holes but small ones.
        note: what a reader must know about the truth.
    """

    scenes: SceneSet
    has_sparse_depth: bool
    dense_truth: bool
    note: str


def open_dataset(words: Sequence[str]) -> Dataset:
    """Open a data set and look at its first frame.

    Args:
        words: ``KIND:PATH``, then options of the reader, ``NAME=VALUE`` each.

    Raises:
        SceneError: the words are no data set, or it cannot be read or scored.
    """
    kind, _, path = words[0].partition(":")
    if kind not in ("auto", *KINDS) or not path:
        raise SceneError(
            f"a data set is KIND:PATH, such as void:void_release/void_1500, not {words[0]}; the "
            f"kinds are auto, {', '.join(KINDS)}"
        )
    readers = _readers()
    try:
        kind = readers.recognise(Path(path)) if kind == "auto" else kind
        options = readers.parse_options(words[1:])
        if kind in _HALF_CROPPED:
            options.setdefault("half_crop", True)
        reader = readers.open_dataset(path, kind, **options)
    except (ValueError, ImportError) as error:
        raise SceneError(str(error)) from error
    load = _Frames(reader, _COMPARED.get(kind))
    first = load(reader.keys[0])
    parts = [f"{kind} of {path}"]
    if load.compared:
        parts.append("truth from {:g} to {:g} m is compared".format(*load.compared))
    if options.get("half_crop"):
        parts.append("half size, centre crop")
    return Dataset(
        SceneSet(reader.name, tuple(reader.keys), load),
        has_sparse_depth=first.sparse_depth is not None,
        dense_truth=np.count_nonzero(first.depth) >= _DENSE_SHARE * first.depth.size,
        note=", ".join(parts),
    )


@dataclass(frozen=True)
class _Frames:
    """Reads the scene of a key.

    Attributes:
        reader: a ``CompletionDataset`` of the training package.
        compared: from which to which depth in metres the truth is compared; None = all of it.
    """

    reader: Any
    compared: tuple[float, float] | None

    def __call__(self, key: str) -> Scene:
        try:
            sample = self.reader.load(key)
        except (ValueError, ImportError) as error:
            raise SceneError(str(error)) from error
        depth = sample.depth
        if self.compared is not None:
            low, high = self.compared
            depth = np.where((depth >= low) & (depth <= high), depth, np.float32(0))
        if not (depth > 0).any():
            raise SceneError(
                f"{sample.source}: there is no true depth of this frame that can be compared"
            )
        return Scene(key, sample.image, depth, sample.intrinsics, sample.sparse_depth)


def _readers() -> Any:
    """The readers, which need no PyTorch; from the checkout where they are not installed."""
    if str(TRAINING) not in sys.path:
        sys.path.append(str(TRAINING))
    try:
        return import_module("starrygazer_training.readers")
    except ImportError as error:
        raise SceneError(
            f"data sets are read by training/ of this repository ({error}): "
            "pip install h5py pillow pyyaml scipy tqdm"
        ) from error
