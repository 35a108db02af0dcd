"""How the projection node fares: counters, rates, latencies and one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros import diagnostics
from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.diagnostics import Input, Verdict
from starrygazer_ros.statistics import Snapshot


@dataclass(frozen=True)
class ProjectionReport:
    """Everything that one diagnostics message says of the clouds.

    Attributes:
        points: input topic of the clouds.
        camera_info: input topic of the calibration.
        time: when the report was made, monotonic seconds.
        extrinsics: where they come from.
        time_jumps: how often time went back.
        output_mismatch: which subscription does not hear the output and why, if so.
        counts: what became of the clouds, of which each that arrives is ``matched``.
    """

    points: Input
    camera_info: Input
    time: float = 0.0
    extrinsics: str = ""
    time_jumps: int = 0
    output_mismatch: str = ""
    counts: Snapshot = field(default_factory=Snapshot)


def assess(
    report: ProjectionReport, previous: ProjectionReport, limits: CommonParameters
) -> Verdict:
    """Verdict on an active node for the period between two reports.

    Args:
        report: now.
        previous: one period before.
        limits: thresholds.
    """
    now, before = report.counts, previous.counts
    return (
        diagnostics.of_input(report.points, previous.points)
        or _of_clouds(report, previous)
        or _of_warnings(now, before)
        or diagnostics.of_stamps((report.points,), limits)
        or diagnostics.of_latency(now.latencies.get("node"), limits)
        or diagnostics.of_rate(
            now.completed - before.completed, report.time - previous.time, limits
        )
        or diagnostics.of_drops(
            now.replaced - before.replaced, now.matched - before.matched, limits
        )
        or (DiagnosticStatus.OK, "sparse depth is published")
    )


def _of_clouds(report: ProjectionReport, previous: ProjectionReport) -> Verdict | None:
    """Verdict on clouds that did not become sparse depth; ``None`` if some did and none failed."""
    now, before = report.counts, previous.counts
    completed, failed = now.completed - before.completed, now.failures - before.failures
    if failed:
        causes = ", ".join(
            cause for cause, count in now.failed.items() if count > before.failed.get(cause, 0)
        )
        message = f"{failed} of {failed + completed} clouds failed: {causes}"
        silent = diagnostics.of_input(report.camera_info, Input(report.camera_info.topic))
        if "no_camera_info" in causes and silent is not None:
            message += f"; {silent[1]}"
        return (DiagnosticStatus.WARN if completed else DiagnosticStatus.ERROR), message
    if report.output_mismatch:
        return DiagnosticStatus.WARN, (
            f"the output does not get through: {report.output_mismatch}; make both match, here "
            "with the parameters qos.*"
        )
    if now.unwanted > before.unwanted:
        return DiagnosticStatus.OK, "idle: nobody is subscribed to sparse_depth"
    if not completed:
        return DiagnosticStatus.WARN, "busy: no cloud was projected in the last period"
    return None


def _of_warnings(now: Snapshot, before: Snapshot) -> Verdict | None:
    causes = [
        cause for cause, count in now.warnings.items() if count > before.warnings.get(cause, 0)
    ]
    if not causes:
        return None
    return DiagnosticStatus.WARN, f"sparse depth is published, but: {', '.join(causes)}"


def values(report: ProjectionReport, previous: ProjectionReport) -> Iterator[tuple[str, str]]:
    """Keys and values to show; rates are those between the two reports."""
    period, counts = report.time - previous.time, report.counts
    received = counts.matched - previous.counts.matched
    yield "extrinsics", report.extrinsics
    yield "received points", str(counts.matched)
    yield "rate points Hz", diagnostics.rate(received, period)
    yield "stamp age points ms", f"{1000 * report.points.age:.1f}"
    yield "received camera_info", str(report.camera_info.received)
    yield "time jumps", str(report.time_jumps)
    yield "projected", str(counts.completed)
    completed = counts.completed - previous.counts.completed
    yield "rate projected Hz", diagnostics.rate(completed, period)
    yield "in work", str(counts.in_work)
    yield "dropped replaced", str(counts.replaced)
    yield "dropped no_subscriber", str(counts.unwanted)
    yield "dropped deactivated", str(counts.discarded)
    for cause, count in sorted(counts.failed.items()):
        yield f"dropped {cause}", str(count)
    for cause, count in sorted(counts.warnings.items()):
        yield f"warning {cause}", str(count)
    yield "sparse points", str(counts.sparse_points)
    yield "coverage %", f"{100 * counts.coverage:.2f}"
    yield "occluded points", str(counts.occluded_points)
    yield from diagnostics.latency_values(counts.latencies)
