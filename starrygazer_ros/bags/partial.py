"""Frames that are completed already, kept beside the bag that is being made."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from starrygazer_ros.bags.recording import BagError

_JOB = "job.json"


def partial_folder(output: Path) -> Path:
    """Where the frames of a bag lie until it is finished."""
    return output.with_name(f"{output.name}.partial")


class PartialBag:
    """The folder ``OUT.partial``: what it is for, and the outputs of each completed frame.

    Args:
        output: the bag that is being made.
        job: all that the frames depend on, as JSON; only the same job goes on.

    Attributes:
        folder: of this object.
        resumed: the job was begun before.

    Raises:
        BagError: the folder belongs to another job.
    """

    def __init__(self, output: Path, job: dict[str, Any]) -> None:
        self.folder = partial_folder(output)
        self._output = output
        self._frames = self.folder / "frames"
        self.resumed = (self.folder / _JOB).exists()
        if self.resumed:
            self._require_same(job)
            self._frames.mkdir(exist_ok=True)
            return
        try:
            self.folder.mkdir()
        except FileExistsError as error:
            raise BagError(
                f"{self.folder} was not made by this command: remove it, or choose another output"
            ) from error
        _write(self.folder / _JOB, json.dumps(job, indent=2).encode())
        self._frames.mkdir()

    def __contains__(self, frame: str) -> bool:
        """The frame is there and whole; after a power cut it may be neither."""
        return zipfile.is_zipfile(self._path(frame))

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
        if frame not in self:
            return {}
        with np.load(self._path(frame), allow_pickle=False) as arrays:
            return {name: arrays[name].tobytes() for name in arrays.files}

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
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def _require_same(self, job: dict[str, Any]) -> None:
        try:
            before = dict(json.loads((self.folder / _JOB).read_bytes()))
        except (ValueError, TypeError) as error:
            raise BagError(
                f"{self.folder / _JOB} is damaged: remove the folder to start anew"
            ) from error
        now = json.loads(json.dumps(job))
        differing = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
        if differing:
            changes = "; ".join(
                f"{key}: {before.get(key)}, now {now.get(key)}" for key in differing
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
