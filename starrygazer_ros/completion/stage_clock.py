"""Wall time of the stages of one completion."""

from __future__ import annotations

import time


class StageClock:
    """Wall time of consecutive stages."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self._laps[stage] = now - self._last
        self._last = now

    def timings(self) -> dict[str, float]:
        """Seconds by stage, and ``total``."""
        return {**self._laps, "total": self._last - self._start}
