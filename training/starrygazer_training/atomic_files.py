"""Files that are whole or not there, whatever kills the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """A file name beside ``path``; what is written there takes its place if the block succeeds.

    Several processes may write the same file: each has a name of its own, the last one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def open_replacement(path: Path) -> Iterator[BinaryIO]:
    """Like :func:`replacement`, opened for writing."""
    with replacement(path) as partial, partial.open("wb") as file:
        yield file
