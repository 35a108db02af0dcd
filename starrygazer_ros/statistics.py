"""What happened to every frame, and how long it took."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

LATENCY_WINDOW = 200


@dataclass(frozen=True)
class Latency:
    """Percentiles of the last ``LATENCY_WINDOW`` frames, in seconds."""

    p50: float
    p95: float


@dataclass(frozen=True)
class Snapshot:
    """Counters since the node was configured; deactivating it does not reset them.

    ``matched = completed + unwanted + replaced + discarded + sum(failed) + waiting or in work``.

    Attributes:
        matched: pairs of image and sparse depth.
        completed: pairs whose dense depth was published.
        unwanted: pairs that nobody was subscribed to an output for.
        replaced: pairs that a newer one replaced while the worker was busy.
        discarded: pairs that waited when the node was deactivated.
        failed: pairs that could not be completed, by cause.
        warnings: things that went wrong without costing the depth image, by cause.
        sparse_points: valid sparse points of the last completed pair.
        occluded_points: those of them that were left out as occluded.
        contradicted_points: those that were overruled by what is around them.
        coverage: share of that pair's pixels that have a sparse point, 0..1.
        latencies: by stage.
    """

    matched: int = 0
    completed: int = 0
    unwanted: int = 0
    replaced: int = 0
    discarded: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    sparse_points: int = 0
    occluded_points: int = 0
    contradicted_points: int = 0
    coverage: float = 0.0
    latencies: Mapping[str, Latency] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """Failed pairs of all causes."""
        return sum(self.failed.values())

    @property
    def in_work(self) -> int:
        """Pairs that wait for the worker or are in it."""
        done = self.completed + self.unwanted + self.replaced + self.discarded + self.failures
        return self.matched - done


class Statistics:
    """Thread-safe counters; :meth:`snapshot` gives values of one moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._sparse_points = self._occluded_points = self._contradicted_points = 0
        self._coverage = 0.0
        self._latencies: dict[str, deque[float]] = {}

    def count_matched(self) -> None:
        """A pair was found."""
        self._count("matched")

    def count_unwanted(self) -> None:
        """A pair was left alone because nobody listens."""
        self._count("unwanted")

    def count_replaced(self) -> None:
        """A newer pair replaced a waiting one."""
        self._count("replaced")

    def count_discarded(self, pairs: int) -> None:
        """Pairs were still waiting on deactivation."""
        self._count("discarded", pairs)

    def count_failed(self, cause: str) -> None:
        """A pair could not be completed."""
        with self._lock:
            self._failed[cause] += 1

    def count_warning(self, cause: str) -> None:
        """Something went wrong that did not cost the depth image."""
        with self._lock:
            self._warnings[cause] += 1

    def count_completed(
        self,
        sparse_points: int,
        seconds: Mapping[str, float],
        occluded_points: int = 0,
        coverage: float = 0.0,
        contradicted_points: int = 0,
    ) -> None:
        """A pair was completed and its dense depth published.

        Args:
            sparse_points: its valid sparse points.
            seconds: duration of the stages so far, see :meth:`record_latencies`.
            occluded_points: those of them that were left out.
            coverage: share of the pixels that have a sparse point, 0..1.
            contradicted_points: those that were overruled by what is around them.
        """
        with self._lock:
            self._counts["completed"] += 1
            self._sparse_points, self._occluded_points = sparse_points, occluded_points
            self._contradicted_points = contradicted_points
            self._coverage = coverage
        self.record_latencies(seconds)

    def record_latencies(self, seconds: Mapping[str, float]) -> None:
        """Durations of one frame by stage."""
        with self._lock:
            for stage, duration in seconds.items():
                window = self._latencies.setdefault(stage, deque(maxlen=LATENCY_WINDOW))
                window.append(duration)

    def snapshot(self) -> Snapshot:
        """All counters of one moment."""
        with self._lock:
            latencies = {stage: list(window) for stage, window in self._latencies.items()}
            snapshot = Snapshot(
                **self._counts,
                failed=dict(self._failed),
                warnings=dict(self._warnings),
                sparse_points=self._sparse_points,
                occluded_points=self._occluded_points,
                contradicted_points=self._contradicted_points,
                coverage=self._coverage,
            )
        percentiles = {stage: _percentiles(values) for stage, values in latencies.items()}
        return Snapshot(**{**vars(snapshot), "latencies": percentiles})

    def _count(self, name: str, number: int = 1) -> None:
        with self._lock:
            self._counts[name] += number


def _percentiles(seconds: list[float]) -> Latency:
    p50, p95 = np.percentile(seconds, (50, 95))
    return Latency(float(p50), float(p95))
