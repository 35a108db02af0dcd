"""Anyone's own data: folders with files of the same stems."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from starrygazer_training.readers.calibration import read_matrix_text, read_yaml
from starrygazer_training.readers.errors import DatasetLayoutError, DatasetOptionError
from starrygazer_training.readers.files import (
    DEPTH_SUFFIXES,
    IMAGE_SUFFIXES,
    describe_folder,
    read_depth,
    read_rgb,
    require_same,
    stems,
)
from starrygazer_training.readers.sample import Sample

_DEPTH_FOLDERS = ("sparse", "depth")
_SAME_STEMS = "Give every image a file of the same stem, or take the image away."


class TripleFolder:
    """``image/`` with ``sparse/``, ``depth/`` or both."""

    def __init__(self, path: Path, units_per_metre: float = 1000) -> None:
        """Find the frames.

        Args:
            path: folder of the folders.
            units_per_metre: of uint16 depth: 1000 = millimetres (ROS REP 118), 256 = KITTI and
                VOID, 5000 = TUM RGB-D. Float depth is in metres always.

        Raises:
            DatasetOptionError: ``units_per_metre`` is not positive.
            DatasetLayoutError: another layout, or a frame without all its files.
        """
        if not 0 < units_per_metre < float("inf"):
            raise DatasetOptionError(f"units_per_metre must be positive, got {units_per_metre}")
        self.name = path.resolve().name
        self._root = path
        self._units_per_metre = units_per_metre
        if not self.matches(path):
            raise DatasetLayoutError(
                path,
                expected="image/ and at least one of sparse/ and depth/",
                found=describe_folder(path),
                remedy="Name the folders so, with files of the same stems in them.",
            )
        images = stems(path / "image", IMAGE_SUFFIXES)
        if not images:
            raise DatasetLayoutError(
                path / "image",
                expected="PNG or JPEG files",
                found=describe_folder(path / "image"),
                remedy="Convert the images to PNG.",
            )
        self._files = {"image": images}
        for name in _DEPTH_FOLDERS:
            if (path / name).is_dir():
                found = stems(path / name, DEPTH_SUFFIXES)
                require_same(images, found, path / name, path / "image", _SAME_STEMS)
                require_same(found, images, path / "image", path / name, _SAME_STEMS)
                self._files[name] = found
        self.keys = tuple(images)

    @staticmethod
    def matches(path: Path) -> bool:
        """Whether the folder looks like this layout."""
        has_depth = any((path / name).is_dir() for name in _DEPTH_FOLDERS)
        return (path / "image").is_dir() and has_depth

    def load(self, key: str) -> Sample:
        """Read the frame of a stem; see CompletionDataset."""
        source = self._root / "image" / self._files["image"][key]
        image = read_rgb(source)
        height, width = image.shape[:2]
        sparse, depth = (
            read_depth(self._root / name / self._files[name][key], self._units_per_metre)
            if name in self._files
            else None
            for name in _DEPTH_FOLDERS
        )
        intrinsics = None
        if (self._root / "intrinsics.txt").is_file():
            intrinsics = read_matrix_text(self._root / "intrinsics.txt", width, height)
        elif (self._root / "intrinsics.yaml").is_file():
            intrinsics = read_yaml(self._root / "intrinsics.yaml", width, height)
        unknown = np.zeros((height, width), np.float32)
        return Sample(source, image, sparse, unknown if depth is None else depth, intrinsics)
