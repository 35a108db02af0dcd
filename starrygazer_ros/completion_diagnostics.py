"""How the completion node fares: counters, rates, latencies and one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros.diagnostics import Verdict
from starrygazer_ros.statistics import Snapshot

TOPICS = ("image", "sparse_depth")
SHORTEST_PERIOD = 0.001  # s


@dataclass(frozen=True)
class Input:
    """One synchronised input topic.

    Attributes:
        topic: resolved name.
        received: messages so far.
        unmatched: messages that left without a partner.
        waiting: messages that wait for their partner.
        refused: messages whose stamp cannot be used.
        age: seconds from the last message's stamp to its arrival, by the node's clock.
    """

    topic: str
    received: int = 0
    unmatched: int = 0
    waiting: int = 0
    refused: int = 0
    age: float = 0.0


@dataclass(frozen=True)
class Report:
    """Everything that one diagnostics message says of the pairs.

    Attributes:
        model: name and version of the model bundle.
        backend: back end that really runs.
        image: input topic of the camera image.
        sparse_depth: input topic of the sparse depth.
        time: when the report was made, monotonic seconds.
        time_jumps: how often time went back.
        camera_infos: CameraInfo messages received.
        counts: what became of the pairs.
    """

    image: Input
    sparse_depth: Input
    time: float = 0.0
    model: str = ""
    backend: str = ""
    time_jumps: int = 0
    camera_infos: int = 0
    counts: Snapshot = field(default_factory=Snapshot)


def assess(report: Report, previous: Report) -> Verdict:
    """Verdict on an active node for the period between two reports."""
    for topic in TOPICS:
        complaint = _assess_input(getattr(report, topic), getattr(previous, topic))
        if complaint:
            return DiagnosticStatus.WARN, complaint
    counts, before_counts = report.counts, previous.counts
    completed = counts.completed - before_counts.completed
    failed = counts.failures - before_counts.failures
    if failed:
        causes = ", ".join(_grown(counts, before_counts))
        level = DiagnosticStatus.WARN if completed else DiagnosticStatus.ERROR
        return level, f"{failed} of {failed + completed} pairs failed: {causes}"
    if counts.matched == before_counts.matched:
        return DiagnosticStatus.WARN, (
            "no image has a sparse depth within sync.slop: compare the stamps of both topics"
        )
    if counts.unwanted > before_counts.unwanted:
        return DiagnosticStatus.OK, "idle: nobody is subscribed to an output"
    if not completed:
        return DiagnosticStatus.WARN, "busy: no depth image was finished in the last period"
    warnings = [
        cause
        for cause, count in counts.warnings.items()
        if count > before_counts.warnings.get(cause, 0)
    ]
    if warnings:
        return DiagnosticStatus.WARN, f"depth is published, but: {', '.join(warnings)}"
    return DiagnosticStatus.OK, "depth is published"


def _assess_input(now: Input, before: Input) -> str:
    """Why a topic brought nothing usable, or nothing."""
    received, refused = now.received - before.received, now.refused - before.refused
    if not received:
        return f"nothing received on {now.topic}: is it published, and with a compatible QoS?"
    if refused == received:
        return f"every message on {now.topic} has a negative stamp"
    return ""


def _grown(counts: Snapshot, before: Snapshot) -> list[str]:
    return [cause for cause, count in counts.failed.items() if count > before.failed.get(cause, 0)]


def values(report: Report, previous: Report) -> Iterator[tuple[str, str]]:
    """Keys and values to show; rates are those between the two reports."""
    period = max(report.time - previous.time, SHORTEST_PERIOD)
    yield "model", report.model
    yield "backend", report.backend
    for name in TOPICS:
        now, before = getattr(report, name), getattr(previous, name)
        rate = max(0, now.received - before.received) / period
        yield f"received {name}", str(now.received)
        yield f"unmatched {name}", str(now.unmatched)
        yield f"waiting {name}", str(now.waiting)
        yield f"refused {name}", str(now.refused)
        yield f"rate {name} Hz", f"{rate:.1f}"
        yield f"stamp age {name} ms", f"{1000 * now.age:.1f}"
    yield "received camera_info", str(report.camera_infos)
    yield "time jumps", str(report.time_jumps)
    counts = report.counts
    rate = max(0, counts.completed - previous.counts.completed) / period
    yield "matched", str(counts.matched)
    yield "completed", str(counts.completed)
    yield "rate completed Hz", f"{rate:.1f}"
    yield "in work", str(counts.in_work)
    yield "dropped replaced", str(counts.replaced)
    yield "dropped no_subscriber", str(counts.unwanted)
    yield "dropped deactivated", str(counts.discarded)
    for cause, count in sorted(counts.failed.items()):
        yield f"dropped {cause}", str(count)
    for cause, count in sorted(counts.warnings.items()):
        yield f"warning {cause}", str(count)
    yield "sparse points", str(counts.sparse_points)
    yield "occluded points", str(counts.occluded_points)
    for stage, latency in counts.latencies.items():
        yield f"latency {stage} p50 ms", f"{1000 * latency.p50:.2f}"
        yield f"latency {stage} p95 ms", f"{1000 * latency.p95:.2f}"
