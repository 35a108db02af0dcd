"""Wall time of the stages of one completion."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Timings(dict[str, float]):
    """Seconds by stage, and ``total``.

    Attributes:
        backend: back end and device that it was measured on.
    """

    def __init__(self, seconds: Mapping[str, float], backend: str) -> None:
        super().__init__(seconds)
        self.backend = backend


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

    def timings(self, backend: str) -> Timings:
        """Stages so far and their total, measured on a back end."""
        return Timings({**self._laps, "total": self._last - self._start}, backend)
