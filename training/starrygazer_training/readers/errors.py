"""What can be wrong with a data set: what lies on the disk, or how it was asked for."""

from __future__ import annotations

from pathlib import Path


class DatasetLayoutError(ValueError):
    """A folder or file is not what its data set's layout says.

    The message always has the same four parts, so that it can be acted on without this source.

    Attributes:
        path: folder or file that is wrong.
        expected: what the layout says.
        found: what is there.
        remedy: what to do about it, as a sentence.
    """

    def __init__(self, path: Path, *, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"{path}: expected {expected}, found {found}. {remedy}")
        self.path = path
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the error whole when a data loader's worker process sends it to its parent."""
        return _rebuild, (self.path, self.expected, self.found, self.remedy)


def _rebuild(path: Path, expected: str, found: str, remedy: str) -> DatasetLayoutError:
    return DatasetLayoutError(path, expected=expected, found=found, remedy=remedy)


class DatasetOptionError(ValueError):
    """A data set was asked for by an option that its reader does not have or cannot take."""
