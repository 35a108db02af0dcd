"""Disks that are full or read-only: a tmpfs in a mount namespace that other processes may enter."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

_ALONE = ("unshare", "--user", "--map-root-user", "--mount")
NO_NAMESPACES = "no mount namespaces here: util-linux, and kernel.unprivileged_userns_clone"
_ROOMY = "size=256m"


@functools.cache
def can_make_disks() -> bool:
    """Mount namespaces are allowed; mostly not in containers."""
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return False
    mounting = [*_ALONE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(mounting, capture_output=True, check=False).returncode == 0


class Disk:
    """A file system of its own, seen by the processes that :attr:`command` starts only.

    Not even root may write where it is read-only, which no permission of a folder does.

    Args:
        folder: existing, where those processes see it.
        options: of tmpfs, such as ``size=64k`` or ``ro``.

    Attributes:
        folder: as given.
        command: put before another command, runs it with the disk, in the same process.
    """

    def __init__(self, folder: Path, options: str) -> None:
        self.folder = folder
        script = 'mount -t tmpfs -o "$2" tmpfs "$1" && echo mounted && exec cat'
        self._keeper = subprocess.Popen(
            [*_ALONE, "sh", "-c", script, "sh", str(folder), options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"mounted\n":
            raise OSError(f"{folder} cannot be made a disk of {options}")
        enter = ("nsenter", f"--target={self._keeper.pid}", "--user", "--mount")
        self._enter = (*enter, "--preserve-credentials")
        # Another namespace starts in its root.
        in_place = 'cd "$1" && shift && exec "$@"'
        self.command = (*self._enter, "sh", "-c", in_place, "sh", os.getcwd())

    def __enter__(self) -> Disk:
        """Itself; the disk and what is on it end with the context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let it go; processes that use it keep it until they end."""
        self._keeper.communicate()

    def make_room(self) -> None:
        """As if somebody had cleaned up, or mounted it to be written."""
        self._remount(f"rw,{_ROOMY}")

    def fill(self) -> None:
        """Leave no room, not for a byte."""
        filling = ["dd", "if=/dev/zero", f"of={self.folder}/fill", "bs=4k"]
        subprocess.run([*self._enter, *filling], capture_output=True, check=False)

    def freeze(self) -> None:
        """Nobody may write any more."""
        self._remount("ro")

    def _remount(self, options: str) -> None:
        mounting = ["mount", "-o", f"remount,{options}", str(self.folder)]
        subprocess.run([*self._enter, *mounting], check=True)

    def files(self) -> list[Path]:
        """Files on the disk, relative to its folder."""
        seen_here = Path(f"/proc/{self._keeper.pid}/root") / self.folder.relative_to("/")
        return sorted(
            path.relative_to(seen_here) for path in seen_here.rglob("*") if path.is_file()
        )

    def python(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run this Python with the disk.

        Args:
            arguments: of it.
            settings: added to the environment.
        """
        return subprocess.run(
            [*self.command, sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **settings},
            timeout=180,
        )
