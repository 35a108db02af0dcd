"""One function that opens any of the layouts."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from starrygazer_training.readers.errors import DatasetLayoutError
from starrygazer_training.readers.files import describe_folder
from starrygazer_training.readers.folder import TripleFolder
from starrygazer_training.readers.kitti import KittiDrives, KittiSelection
from starrygazer_training.readers.nyu import NyuFrames, NyuLabelled
from starrygazer_training.readers.sample import CompletionDataset
from starrygazer_training.readers.void import VoidRelease

READERS: dict[
    str,
    type[KittiSelection | KittiDrives | NyuLabelled | NyuFrames | VoidRelease | TripleFolder],
] = {
    "kitti-selection": KittiSelection,
    "kitti": KittiDrives,
    "nyu-mat": NyuLabelled,
    "nyu-h5": NyuFrames,
    "void": VoidRelease,
    "folder": TripleFolder,
}


def open_dataset(path: Path | str, kind: str = "auto", **options: Any) -> CompletionDataset:
    """Open a data set in its official layout, or a folder of triples.

    Args:
        path: folder, or the .mat file of NYUv2.
        kind: a key of ``READERS``, or ``auto`` to recognise the layout.
        options: of the reader of that kind, such as ``split``.

    Raises:
        DatasetLayoutError: the layout is unknown or ambiguous, or the reader finds it wrong.
        ValueError: unknown kind.
        TypeError: the reader of that kind has no such option.
    """
    path = Path(path)
    if kind == "auto":
        kind = recognise(path)
    elif kind not in READERS:
        raise ValueError(f"unknown kind {kind}: choose auto, {', '.join(READERS)}")
    reader = READERS[kind]
    known = list(inspect.signature(reader).parameters)[1:]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise TypeError(
            f"data sets of kind {kind} have no option {', '.join(unknown)}: "
            f"they take {', '.join(known) or 'none'}"
        )
    return reader(path, **options)


def recognise(path: Path) -> str:
    """Kind of the layout at a path.

    Raises:
        DatasetLayoutError: none fits, or more than one.
    """
    kinds = [kind for kind, reader in READERS.items() if reader.matches(path)]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        raise DatasetLayoutError(
            path,
            expected="one data set",
            found=f"the layouts {' and '.join(kinds)}",
            remedy="Say which with kind.",
        )
    raise DatasetLayoutError(
        path,
        expected=f"one of the layouts {', '.join(READERS)}",
        found=describe_folder(path),
        remedy="Their folders are drawn in docs/datasets.md; give kind to see what is missing.",
    )
