"""SIGINT and SIGTERM as an event; imports nothing that takes time, so that it can come first."""

from __future__ import annotations

import signal
from queue import SimpleQueue


class Stop:
    """An event that a handler of signals may set, whatever its thread is doing.

    A ``threading.Event`` has a lock: a signal that comes while the handler of another one holds it
    would wait for itself, and the process would never end.
    """

    def __init__(self) -> None:
        self._told: SimpleQueue[None] = SimpleQueue()  # whose put is reentrant

    def set(self) -> None:
        """Let :meth:`wait` return, now or later."""
        self._told.put(None)

    def wait(self) -> None:
        """Return once the event is set; for one call in one thread."""
        self._told.get()


def stop_on_signals() -> Stop:
    """An event that is set by SIGINT and SIGTERM, which then do nothing else.

    rclpy's own signal handlers shut the context down under running callbacks and raise
    KeyboardInterrupt anywhere, also inside ``destroy_node``. Here a signal only sets a flag, so
    any number of them ends the same orderly way.
    """
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
