"""Log lines that repeat are written once per period and cause."""

from __future__ import annotations

import time
from collections.abc import Callable


class Throttle:
    """Tells whether it is time again to say something about a cause.

    rclpy throttles by source line; here several causes share one line.

    Args:
        period: seconds between two lines of the same cause.
        clock: monotonic seconds.
    """

    def __init__(self, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._period = period
        self._clock = clock
        self._last: dict[str, float] = {}

    def ready(self, cause: str) -> bool:
        """True at most once per period and cause."""
        now = self._clock()
        if now - self._last.get(cause, -float("inf")) < self._period:
            return False
        self._last[cause] = now
        return True
