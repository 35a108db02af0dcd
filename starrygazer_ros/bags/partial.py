"""Frames that are completed already, kept beside the bag that is being made."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from starrygazer_ros.bags.recording import BagError
from starrygazer_ros.npy import array_of_npy

_JOB, _LOCK = "job.json", "lock"
_BEFORE_THE_JOB = {_LOCK, "job.tmp"}


def partial_folder(output: Path) -> Path:
    """Where the frames of a bag lie until it is finished."""
    return output.with_name(f"{output.name}.partial")


class PartialBag:
    """The folder ``OUT.partial``: what it is for, and the outputs of each completed frame.

    One process, and one object of a process, has it at a time; leaving the context gives it back.

    Args:
        output: the bag that is being made.
        job: all that the frames depend on, as JSON; only the same job goes on.

    Attributes:
        folder: of this object.
        resumed: the job was begun before.

    Raises:
        BagError: the bag is there already or is being made, or the folder belongs to another job.
    """

    def __init__(self, output: Path, job: dict[str, Any]) -> None:
        self.folder = partial_folder(output)
        self._output = output
        self._frames = self.folder / "frames"
        self._lock = self._locked()
        try:
            if output.exists():  # whoever had the folder before has finished meanwhile
                self._remove_if_empty()
                raise BagError(f"{output} exists: choose another name, or remove it")
            self.resumed = (self.folder / _JOB).exists()
            if self.resumed:
                self._require_same(job)
            else:
                _write(self.folder / _JOB, json.dumps(job, indent=2).encode())
            self._frames.mkdir(exist_ok=True)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> PartialBag:
        """Itself; what is done stays until :meth:`finish` or :meth:`remove`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let others have the folder."""
        self._lock.close()

    def __contains__(self, frame: str) -> bool:
        """The frame is there and whole; after a power cut it may be neither."""
        return self._read(frame) is not None

    def add(self, frame: str, outputs: dict[str, bytes]) -> None:
        """Keep the serialised messages of a frame by output."""
        path = self._path(frame)
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                arrays = {name: np.frombuffer(data, "u1") for name, data in outputs.items()}
                np.savez(file, **arrays)
                os.fsync(file.fileno())
        except OSError:  # on a full disk half a frame is only in the way
            temporary.unlink(missing_ok=True)
            raise
        os.replace(temporary, path)

    def outputs(self, frame: str) -> dict[str, bytes]:
        """The serialised messages of a frame by output; of an unknown frame none."""
        return self._read(frame) or {}

    def _read(self, frame: str) -> dict[str, bytes] | None:
        """Outputs of a frame, ``None`` if it is missing or damaged."""
        try:
            with zipfile.ZipFile(self._path(frame)) as archive:
                if any(member.compress_type for member in archive.infolist()):
                    return None  # not made by add(), and perhaps larger than the memory
                return {
                    name.removesuffix(".npy"): array_of_npy(archive.read(name)).tobytes()
                    for name in archive.namelist()
                }
        except Exception:  # of zipfile, zlib, or whatever damaged bytes lead to
            return None

    def place_for_bag(self) -> Path:
        """Where the bag is assembled, under its own name; what an interruption left is removed."""
        folder = self.folder / "bag"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder / self._output.name

    def finish(self) -> None:
        """Put the assembled bag in its place and remove the folder."""
        os.replace(self.folder / "bag" / self._output.name, self._output)
        self.remove()

    def remove(self) -> None:
        """Remove the folder, the note of the job and the lock after all else."""
        for part in (self._frames, self.folder / "bag"):
            if part.exists():
                shutil.rmtree(part)
        (self.folder / _JOB).unlink()
        self._remove_if_empty()

    def _locked(self) -> BinaryIO:
        """The open lock of the folder, which is made if it is missing."""
        while True:
            if not self.folder.exists():
                self.folder.mkdir(exist_ok=True)
            try:
                self._require_own()
                file = (self.folder / _LOCK).open("wb")
            except FileNotFoundError:  # whoever had the folder has just removed it
                continue
            try:
                if self._take(file):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _take(self, file: BinaryIO) -> bool:
        """Lock an open file; false if it was removed meanwhile."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(file.fileno()), (self.folder / _LOCK).stat())
        except FileNotFoundError:
            return False
        except BlockingIOError as error:
            raise BagError(
                f"{self._output} is being made by another run of this command: wait for it, or "
                "choose another output"
            ) from error

    def _require_own(self) -> None:
        names = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else {""}
        if _JOB not in names and names - _BEFORE_THE_JOB:
            raise BagError(
                f"{self.folder} was not made by this command: remove it, or choose another output"
            )

    def _remove_if_empty(self) -> None:
        (self.folder / _LOCK).unlink()
        try:
            self.folder.rmdir()
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # another process has begun to use it already
                raise

    def _require_same(self, job: dict[str, Any]) -> None:
        try:
            before = dict(json.loads((self.folder / _JOB).read_bytes()))
        except (ValueError, TypeError, RecursionError) as error:
            raise BagError(
                f"{self.folder / _JOB} is damaged: remove the folder to start anew"
            ) from error
        now = json.loads(json.dumps(job))
        differing = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
        if differing:
            changes = "; ".join(
                f"{key}: {before.get(key)}, now {now.get(key)}"[:200] for key in differing[:5]
            )
            raise BagError(
                f"{self.folder} holds frames made otherwise ({changes}): repeat that command to "
                "continue it, or remove the folder to start anew"
            )

    def _path(self, frame: str) -> Path:
        return self._frames / f"{frame}.npz"


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    os.replace(temporary, path)
