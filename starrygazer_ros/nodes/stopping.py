"""SIGINT and SIGTERM as an event; imports nothing that takes time, so that it can come first."""

from __future__ import annotations

import signal
import threading


def stop_on_signals() -> threading.Event:
    """An event that is set by SIGINT and SIGTERM, which then do nothing else.

    rclpy's own signal handlers shut the context down under running callbacks and raise
    KeyboardInterrupt anywhere, also inside ``destroy_node``. Here a signal only sets a flag, so
    any number of them ends the same orderly way.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
