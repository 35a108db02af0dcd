"""VOID (Wong et al., RA-L 2020), the release version: images, visual-inertial points, depth.

Depth is uint16 PNG, metres = value / 256, 0 = none (``data_utils.py`` of the data set).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from starrygazer_training.readers.calibration import read_matrix_text
from starrygazer_training.readers.errors import DatasetLayoutError
from starrygazer_training.readers.files import (
    describe_folder,
    read_depth_png,
    read_lines,
    read_rgb,
    read_uint16,
    require_same,
    stems,
)
from starrygazer_training.readers.sample import Sample

UNITS_PER_METRE = 256
DENSITIES = (150, 500, 1500)

_FOLDERS = ("image", "sparse_depth", "validity_map", "ground_truth")
_UNPACK = "Unpack the archive of this density again."


class VoidRelease:
    """One density of ``void_release``; a frame's sparse points differ between densities."""

    def __init__(self, path: Path, split: str | None = None, density: int | None = None) -> None:
        """Find the frames.

        Args:
            path: ``void_release`` or one of its folders ``void_150``, ``void_500``, ``void_1500``.
            split: ``train`` or ``test`` as the lists ``<split>_image.txt`` say; None = all
                frames on the disk, for which the lists are not needed.
            density: 150, 500 or 1500 points a frame, where ``path`` holds more than one.

        Raises:
            DatasetLayoutError: another layout, a frame without all its files, no such list.
        """
        self._root = _density_root(path, density)
        self.name = self._root.name.replace("_", "") + (f"-{split}" if split else "")
        data = self._root / "data"
        if split is None:
            sequences = [folder for folder in sorted(data.iterdir()) if folder.is_dir()]
            frames = [f"{s.name}/{stem}" for s in sequences for stem in _every_stem(s)]
        else:
            lines = self._root / f"{split}_image.txt"
            # Once each, though a list may repeat a line.
            frames = list(dict.fromkeys(_key(lines, line) for line in read_lines(lines)))
        if not frames:
            raise DatasetLayoutError(
                data, expected="frames", found=describe_folder(data), remedy=_UNPACK
            )
        _check(data, frames)
        self.keys = tuple(frames)
        self._known = frozenset(frames)

    @staticmethod
    def matches(path: Path) -> bool:
        """Whether the folder looks like this layout."""
        return bool(_density_roots(path))

    def load(self, key: str) -> Sample:
        """Read the frame ``<sequence>/<time stamp>``; see CompletionDataset."""
        if key not in self._known:
            raise KeyError(key)
        sequence, stem = key.split("/")
        folder, name = self._root / "data" / sequence, f"{stem}.png"
        source = folder / "image" / name
        image = read_rgb(source)
        height, width = image.shape[:2]
        sparse = read_depth_png(folder / "sparse_depth" / name, UNITS_PER_METRE)
        validity = folder / "validity_map" / name
        valid = read_uint16(validity)
        if valid.shape != sparse.shape:
            raise DatasetLayoutError(
                validity,
                expected=f"the sparse depth's shape {list(sparse.shape)}",
                found=f"{list(valid.shape)}",
                remedy=_UNPACK,
            )
        return Sample(
            source,
            image,
            np.where(valid > 0, sparse, np.float32(0)),
            read_depth_png(folder / "ground_truth" / name, UNITS_PER_METRE),
            read_matrix_text(folder / "K.txt", width, height),
        )


def _density_roots(path: Path) -> list[Path]:
    """Folders of a density at or below a path."""
    candidates = [path, *(path / f"void_{density}" for density in DENSITIES)]
    return [c for c in candidates if next(c.glob("data/*/sparse_depth"), None)]


def _density_root(path: Path, density: int | None) -> Path:
    roots = _density_roots(path)
    if density is not None:
        roots = [root for root in roots if root.resolve().name == f"void_{density}"]
    if len(roots) == 1:
        return roots[0].resolve()
    if roots:
        raise DatasetLayoutError(
            path,
            expected="one density",
            found=", ".join(root.name for root in roots),
            remedy="Give one of these folders, or the density 150, 500 or 1500.",
        )
    wanted = f"void_{density}/" if density is not None else "void_<density>/"
    raise DatasetLayoutError(
        path,
        expected=f"{wanted}data/<sequence>/ with image/, sparse_depth/, ground_truth/ and K.txt",
        found=describe_folder(path),
        remedy="Unpack void_release.zip and give void_release/void_1500, for example.",
    )


def _every_stem(sequence: Path) -> list[str]:
    """Stems that any of a sequence's folders has, so that what lacks in another is found."""
    return sorted(set().union(*(stems(sequence / folder) for folder in _FOLDERS)))


def _check(data: Path, frames: list[str]) -> None:
    """Check that every frame has all its files, from one listing of each folder."""
    wanted: dict[str, list[str]] = {}
    for frame in frames:
        sequence, stem = frame.split("/")
        wanted.setdefault(sequence, []).append(stem)
    for name, names in wanted.items():
        sequence_folder = data / name
        for folder in _FOLDERS:
            present = stems(sequence_folder / folder)
            require_same(names, present, sequence_folder / folder, sequence_folder, _UNPACK)
        if not (sequence_folder / "K.txt").is_file():
            raise DatasetLayoutError(
                sequence_folder,
                expected="K.txt",
                found=describe_folder(sequence_folder),
                remedy=_UNPACK,
            )


def _key(list_file: Path, line: str) -> str:
    """Key of a line of a list; what stands before the sequence differs between releases."""
    parts = Path(line).parts
    if len(parts) < 3 or parts[-2] != "image":
        raise DatasetLayoutError(
            list_file,
            expected="lines such as void_1500/data/<sequence>/image/<time stamp>.png",
            found=line,
            remedy="Use the lists of the release.",
        )
    return f"{parts[-3]}/{Path(line).stem}"
