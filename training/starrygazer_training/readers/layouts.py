"""One function that opens any of the layouts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import yaml

from starrygazer_training.readers.errors import DatasetLayoutError, DatasetOptionError
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
        DatasetOptionError: unknown kind, an option that the reader of that kind does not have, or
            a value that it cannot take.
    """
    path = Path(path)
    if kind == "auto":
        kind = recognise(path)
    elif kind not in READERS:
        raise DatasetOptionError(f"unknown kind {kind}: choose auto, {', '.join(READERS)}")
    reader = READERS[kind]
    known = list(inspect.signature(reader).parameters)[1:]  # the first is the path
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise DatasetOptionError(
            f"data sets of kind {kind} have no option {', '.join(unknown)}: "
            f"they take {', '.join(known) or 'none'}"
        )
    for name, value in options.items():
        _check_option(name, value)
    return reader(path, **options)


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Options of a command line, ``NAME=VALUE`` each, with values as YAML reads them.

    Raises:
        DatasetOptionError: no ``=``, a value that is no YAML, a name that is given twice, or one
            that is no option of a reader.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise DatasetOptionError(f"options are NAME=VALUE, not {pair}")
        if name in ("path", "kind"):
            raise DatasetOptionError(f"{name} is given by itself, not as NAME=VALUE")
        if name in options:
            raise DatasetOptionError(f"option {name} is given twice")
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise DatasetOptionError(f"option {pair}: the value is no YAML ({reason})") from None
    return options


_OPTIONS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "split": ("a word", lambda value: value is None or isinstance(value, str)),
    "raw": ("a folder", lambda value: value is None or isinstance(value, str | Path)),
    "cameras": ("a name or a list of names", lambda value: _names(value)),
    "drives": ("a name or a list of names", lambda value: value is None or _names(value)),
    "density": ("a whole number", lambda value: value is None or _whole(value)),
    "indices": (
        "a list of whole numbers",
        lambda value: value is None or (_listed(value) and all(_whole(n) for n in value)),
    ),
    "half_crop": ("true or false", lambda value: isinstance(value, bool)),
    "units_per_metre": (
        "a number",
        lambda value: isinstance(value, Real) and not isinstance(value, bool),
    ),
}


def _check_option(name: str, value: Any) -> None:
    wanted, fits = _OPTIONS[name]
    if not fits(value):
        raise DatasetOptionError(f"option {name} is {value!r}, it must be {wanted}")


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _names(value: Any) -> bool:
    return isinstance(value, str) or (_listed(value) and all(isinstance(n, str) for n in value))


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
