"""Checks in a process of their own: one that dies or hangs is found, and replaced."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from robustness.refusals import BrokenError

LONGEST_CASE = 30  # s
LONGEST_START = 120  # s
LONGEST_STOP = 2  # s
ADDRESS_SPACE = 6 << 30  # bytes, libraries included; native code must do with them, too

Check = Callable[[str, Any], str]


class Isolated:
    """A process that checks cases one after the other.

    Args:
        make_check: called in the process with a folder; gives what takes name and case, and
            returns the cause. Importable, because the process is a new one.
        folder: existing, for its files; it is the process's current folder.
    """

    def __init__(self, make_check: Callable[[Path], Check], folder: Path) -> None:
        self._make_check = make_check
        self._folder = folder
        self._connection: Connection | None = None
        self._process: Any = None

    def check(self, name: str, case: Any) -> str:
        """The cause of the refusal, or ``fine``.

        Raises:
            BrokenError: something else came of it; the process may be another one from now on.
        """
        if self._connection is None:
            self._start()
        assert self._connection is not None
        self._connection.send((name, case))
        if not self._connection.poll(LONGEST_CASE):
            self.stop()
            raise BrokenError(f"nothing came of it in {LONGEST_CASE} s")
        try:
            cause, broken = self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise BrokenError(f"the process ended: {self._end()}") from None
        if broken:
            raise BrokenError(broken)
        return str(cause)

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None and self._connection is not None:
            self._connection.close()
            self._process.join(LONGEST_STOP)
            self._process.kill()
            self._end()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(self._make_check, self._folder, other), daemon=True
        )
        self._process.start()
        other.close()
        if not self._connection.poll(LONGEST_START) or self._connection.recv() != "ready":
            raise RuntimeError("the process that checks does not start")

    def _end(self) -> str:
        """How it ended, after it has."""
        self._process.join()
        code = self._process.exitcode
        self._connection = self._process = None
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _serve(make_check: Callable[[Path], Check], folder: Path, connection: Connection) -> None:
    os.chdir(folder)
    silent = os.open("native.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):  # libraries say there what they think of damaged files
        os.dup2(silent, stream)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    check = make_check(folder)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    connection.send("ready")
    while True:
        try:
            name, case = connection.recv()
        except EOFError:
            return
        os.ftruncate(silent, 0)
        try:
            connection.send((check(name, case), ""))
        except Exception as error:
            connection.send(("", _described(error)))


def _described(error: BaseException) -> str:
    """Class, words and place of an error."""
    trace, places = error.__traceback__, []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        places.append(f"{Path(file).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {str(error)[:500]} (at {' '.join(places[-6:])})"
