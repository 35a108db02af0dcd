"""Segments of photographs on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import BadZipFile

import numpy as np

from starrygazer_training.atomic_files import open_replacement
from starrygazer_training.sam import SamParams, segment_with_sam
from starrygazer_training.segmentation import (
    FloatMap,
    Image,
    LabelMap,
    SegmentParams,
    require_image,
    segment,
)

_LOG = logging.getLogger(__name__)

VERSION = 2  # of what is computed; another one makes every entry again


class SegmentCache:
    """Segments of photographs, kept in a folder.

    An entry belongs to an image, the options and the relative depth that was segmented: when one
    of them changes, it is made again. A damaged entry is made again, too, with a line in the log.

    Args:
        folder: of the cache; made when needed.
        params: options of the segmentation; those of SAM choose SAM.
    """

    def __init__(self, folder: Path, params: SegmentParams | SamParams | None = None) -> None:
        self.folder = folder
        self.params = params or SegmentParams()
        described: dict[str, Any] = {"version": VERSION, "method": type(self.params).__name__}
        described |= asdict(self.params)
        if isinstance(self.params, SamParams):
            weights = self.params.checkpoint / "model.safetensors"
            described["checkpoint"] = _file_hash(weights) if weights.is_file() else None
        text = json.dumps(described, sort_keys=True)
        self._params_hash = hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    def labels(self, key: str, relative_depth: FloatMap, image: Image | None = None) -> LabelMap:
        """Segments of one photograph, from the cache where they are there.

        Args:
            key: name of the photograph, unique in the cache; ``/`` makes sub-folders.
            relative_depth: float32 [H, W], see :func:`segment`; SAM looks at its size only.
            image: uint8 [H, W, 3] RGB, where the options ask for it.

        Returns:
            int32 [H, W] labels 0..N-1.

        Raises:
            ValueError: as :func:`segment`, or the key leads out of the folder.
        """
        path = self.path(key, relative_depth, image)
        cached = _read_labels(path, relative_depth.shape)
        if cached is None:
            cached = self._compute(relative_depth, image)
            _write_labels(path, cached)
        return cached

    def path(self, key: str, relative_depth: FloatMap, image: Image | None = None) -> Path:
        """File of an entry: the options make its folder, the content its name."""
        parts = PurePosixPath(key)
        if not parts.name or parts.is_absolute() or ".." in parts.parts:
            raise ValueError(f"'{key}' is no name inside the cache")
        content = hashlib.sha256(repr(relative_depth.shape).encode("ascii"))
        if not isinstance(self.params, SamParams) and self.params.channels != "rgb":
            content.update(np.ascontiguousarray(relative_depth, np.float32).tobytes())
        if image is not None and self._sees_colour():
            content.update(np.ascontiguousarray(image).tobytes())
        name = f"{parts.name}.{content.hexdigest()[:16]}.npz"
        return self.folder / self._params_hash / parts.parent / name

    def _sees_colour(self) -> bool:
        if isinstance(self.params, SamParams):
            return True
        return self.params.channels != "depth" or self.params.snap_band > 0

    def _compute(self, relative_depth: FloatMap, image: Image | None) -> LabelMap:
        if isinstance(self.params, SegmentParams):
            return segment(relative_depth, image, self.params)
        require_image(image, relative_depth.shape, "SAM")
        assert image is not None
        return segment_with_sam(image, self.params)


def _read_labels(path: Path, shape: tuple[int, ...]) -> LabelMap | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            labels = arrays["labels"]
        if labels.shape != shape or not np.issubdtype(labels.dtype, np.unsignedinteger):
            raise ValueError(f"{labels.dtype} {labels.shape} instead of labels {shape}")
        return np.asarray(labels, np.int32)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        _LOG.warning("%s is damaged (%s): segmented again", path, error)
        return None


def _write_labels(path: Path, labels: LabelMap) -> None:
    """Whole or not at all, also when several processes make the same entry."""
    with open_replacement(path) as file:
        np.savez_compressed(file, labels=labels.astype(np.min_scalar_type(labels.max())))


def _file_hash(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    return content.hexdigest()
