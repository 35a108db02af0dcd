"""Plans on disk: they load only on the machine and with the versions that built them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = 1
LARGEST_CACHE = 4 << 30  # bytes
CANNOT_KEEP = "plans cannot be kept"  # how each PlanCache.problem begins
LARGEST_SIDECAR = 1 << 16
_PLAN, _SIDECAR, _QUARANTINE = ".plan", ".json", ".bad"


class UnsafeFolderError(OSError):
    """Somebody else could put plans into the folder, and plans are programs."""


@dataclass(frozen=True)
class CachedPlan:
    """A plan and what is known of it.

    Attributes:
        key: SHA-256 of all that it depends on.
        size: bytes.
        used: when it was used last, seconds since the epoch.
        about: content of its sidecar.
    """

    key: str
    size: int
    used: float
    about: dict[str, Any]


def plan_key(**depends_on: Any) -> str:
    """SHA-256 of all that a plan depends on, as JSON; bytes by their own hash."""
    values = {
        name: hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else value
        for name, value in depends_on.items()
    }
    text = json.dumps({"schema": SCHEMA, **values}, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()


class NoPlanCache:
    """In the place of a :class:`PlanCache` where none can be had: each plan is built.

    Attributes:
        problem: why, and what to do.
    """

    def __init__(self, folder: Path, error: OSError) -> None:
        self.problem = _cannot_keep(folder, error)

    def get_or_build(self, key: str, about: dict[str, Any], build: Callable[[], bytes]) -> bytes:
        """A plan, always built."""
        return build()

    def quarantine(self, key: str, reason: str) -> None:
        """Nothing is kept, so nothing is in the way."""


class PlanCache:
    """A folder of plans, each with a sidecar of JSON; safe for several processes.

    A disk that is full or read-only costs the time of a build at each start, and nothing else.

    Args:
        folder: made if it is missing, for its owner alone.
        largest: bytes of all plans together; those that were used longest ago leave.

    Attributes:
        folder: as given.
        problem: why a plan could not be kept, and what to do; empty if all were.

    Raises:
        UnsafeFolderError: the folder belongs to somebody else, or others may write into it.
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path, largest: int = LARGEST_CACHE) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_own(folder)
        self.folder = folder
        self.problem = ""
        self._largest = largest
        self._bad: set[str] = set()  # where a read-only folder keeps them in their place

    def get_or_build(self, key: str, about: dict[str, Any], build: Callable[[], bytes]) -> bytes:
        """The plan of a key; one process builds it while others wait.

        Args:
            key: see :func:`plan_key`.
            about: what the sidecar tells people.
            build: makes the plan.
        """
        with _locked(self.folder / f"{key}.lock"):
            plan = self._load(key)
            if plan is None:
                began = time.monotonic()
                plan = build()
                seconds = round(time.monotonic() - began, 1)
                try:
                    self._store(key, plan, {**about, "build_seconds": seconds})
                except OSError as error:
                    self.problem = _cannot_keep(self.folder, error)
            return plan

    def quarantine(self, key: str, reason: str) -> None:
        """Put a plan that does not load, or computes nonsense, out of the way."""
        plan, sidecar = self._paths(key)
        about = {**_read(sidecar), "quarantined": reason}
        put_away = sidecar.with_suffix(f"{_SIDECAR}{_QUARANTINE}")
        with suppress(OSError):  # a folder that is read-only
            if plan.exists():
                os.replace(plan, plan.with_suffix(f"{_PLAN}{_QUARANTINE}"))
            if sidecar.exists():
                os.replace(sidecar, put_away)
                _write(put_away, json.dumps(about, indent=2).encode())  # last: a disk may be full
        if plan.exists():
            self._bad.add(key)

    def plans(self) -> list[CachedPlan]:
        """All plans, the one used last first."""
        found = []
        for sidecar in self.folder.glob(f"*{_SIDECAR}"):
            plan = sidecar.with_suffix(_PLAN)
            try:
                status = plan.stat()
            except OSError:
                continue  # another process is removing it
            found.append(CachedPlan(sidecar.stem, status.st_size, status.st_mtime, _read(sidecar)))
        return sorted(found, key=lambda plan: plan.used, reverse=True)

    def clean(self) -> int:
        """Remove everything; the number of plans that were removed."""
        number = len(self.plans())
        for file in self.folder.iterdir():
            file.unlink(missing_ok=True)
        return number

    def _load(self, key: str) -> bytes | None:
        if key in self._bad:
            return None
        plan, sidecar = self._paths(key)
        try:
            content = plan.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != _read(sidecar).get("sha256"):
            self.quarantine(key, "the file was changed or cut off")
            return None
        with suppress(OSError):  # a folder that is read-only
            os.utime(plan)  # it was used
        return content

    def _store(self, key: str, plan: bytes, about: dict[str, Any]) -> None:
        path, sidecar = self._paths(key)
        about = {**about, "sha256": hashlib.sha256(plan).hexdigest(), "made": time.time()}
        for left in self.folder.glob(f"{key}.*.tmp"):  # by processes that were killed
            left.unlink(missing_ok=True)
        _write(path, plan)
        try:
            _write(sidecar, json.dumps(about, indent=2).encode())
        except OSError:  # without it the plan would be taken for one that was changed
            path.unlink()
            raise
        self._bad.discard(key)
        self._trim(key)

    def _trim(self, keep: str) -> None:
        total = 0
        for plan in self.plans():
            total += plan.size
            if total > self._largest and plan.key != keep:
                for file in self._paths(plan.key):
                    file.unlink(missing_ok=True)

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}{_PLAN}", self.folder / f"{key}{_SIDECAR}"


def _read(sidecar: Path) -> dict[str, Any]:
    """What a sidecar tells, nothing if it is missing or damaged."""
    try:
        with sidecar.open("rb") as file:
            about = json.loads(file.read(LARGEST_SIDECAR))
    except (OSError, ValueError, RecursionError):  # brackets by the thousand
        return {}
    return about if isinstance(about, dict) else {}


def _require_own(folder: Path) -> None:
    status = folder.stat()
    if status.st_uid != os.getuid():
        raise UnsafeFolderError(f"{folder} belongs to another user: set XDG_CACHE_HOME to your own")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafeFolderError(f"others may write into {folder}: chmod go-w {folder}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for all other processes that hold the file; the system frees it when one dies.

    Where it cannot be made nobody can keep a plan, and there is nothing to wait for.
    """
    with ExitStack() as held:
        with suppress(OSError):
            fcntl.flock(held.enter_context(path.open("w")), fcntl.LOCK_EX)
        yield


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError:  # on a full disk half a plan is only in the way
        temporary.unlink(missing_ok=True)
        raise


def _cannot_keep(folder: Path, error: OSError) -> str:
    return (
        f"{CANNOT_KEEP} in {folder} ({error.strerror or error}): each start builds them "
        "anew, for seconds to minutes; make room there, or set XDG_CACHE_HOME to a folder that "
        "can be written"
    )
