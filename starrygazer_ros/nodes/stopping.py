"""SIGINT and SIGTERM as an event; imports nothing that takes time, so that it can come first."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


class Stop:
    """An event that signals and threads may set, whatever is going on.

    A ``threading.Event`` is not made for that. It has a lock: a signal that comes while the handler
    of another one holds it waits for itself. And a signal that reaches another thread than the main
    one does not wake the main one, which runs all handlers and so waits on. A pipe does both.
    """

    def __init__(self) -> None:
        self._end, self._start = os.pipe()
        os.set_blocking(self._start, False)

    def set(self) -> None:
        """Let :meth:`wait` return, now or later."""
        with suppress(BlockingIOError):  # full: it has been told often enough
            os.write(self._start, b"\0")

    def set_by_signals(self) -> None:
        """Let SIGINT and SIGTERM set it, and do nothing else; to be called in the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._start, warn_on_full_buffer=False)

    def wait(self) -> None:
        """Return once the event is set; for one call in one thread."""
        os.read(self._end, 1)


def stop_on_signals() -> Stop:
    """An event that is set by SIGINT and SIGTERM, which then do nothing else.

    rclpy's own signal handlers shut the context down under running callbacks and raise
    KeyboardInterrupt anywhere, also inside ``destroy_node``. Here a signal only sets a flag, so
    any number of them ends the same orderly way.
    """
    stop = Stop()
    stop.set_by_signals()
    return stop
