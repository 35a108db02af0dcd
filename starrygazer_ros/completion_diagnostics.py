"""How the completion node fares: counters, rates, latencies and one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus

from starrygazer_ros import diagnostics
from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.diagnostics import Input, Verdict
from starrygazer_ros.statistics import Snapshot

TOPICS = ("image", "sparse_depth")
NO_CAMERA_INFO = "no_camera_info"


@dataclass(frozen=True)
class Report:
    """Everything that one diagnostics message says of the pairs.

    Attributes:
        image: input topic of the camera image.
        sparse_depth: input topic of the sparse depth.
        camera_info: input topic of the calibration, which is not matched.
        time: when the report was made, monotonic seconds.
        model: name and version of the model bundle.
        hashes: SHA-256 of its graphs by name.
        backend: back end, its version and the device that really run.
        backend_warnings: what is wrong with it although it runs.
        reloading: why the model is being loaded again, if so.
        reloads: how often that was begun.
        time_jumps: how often time went back.
        reused: pairs whose sparse depth had been in one before.
        output_mismatch: which subscription does not hear an output and why, if so.
        counts: what became of the pairs.
    """

    image: Input
    sparse_depth: Input
    camera_info: Input
    time: float = 0.0
    model: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    backend: str = ""
    backend_warnings: tuple[str, ...] = ()
    reloading: str = ""
    reloads: int = 0
    time_jumps: int = 0
    reused: int = 0
    output_mismatch: str = ""
    counts: Snapshot = field(default_factory=Snapshot)


def assess(report: Report, previous: Report, limits: CommonParameters) -> Verdict:
    """Verdict on an active node for the period between two reports.

    Args:
        report: now.
        previous: one period before.
        limits: thresholds.
    """
    inputs = (report.image, report.sparse_depth)
    if report.reloading:
        return DiagnosticStatus.ERROR, f"the model is being loaded again: {report.reloading}"
    no_depth = (
        diagnostics.of_input(report.image, previous.image)
        or diagnostics.of_input(report.sparse_depth, previous.sparse_depth)
        or _of_pairs(report, previous)
    )
    if no_depth:
        return no_depth
    warnings = (
        _of_warnings(report, previous),
        _of_backend(report),
        diagnostics.of_stamps(inputs, limits),
        diagnostics.of_latency(report.counts.latencies.get("node"), limits),
        _of_rates(report, previous, limits),
    )
    sentences = [warning[1] for warning in warnings if warning]
    if sentences:  # none of them may hide another
        return DiagnosticStatus.WARN, "; ".join(sentences)
    return DiagnosticStatus.OK, "depth is published"


def _of_pairs(report: Report, previous: Report) -> Verdict | None:
    """Verdict on pairs that did not become depth; ``None`` if some did and none failed."""
    now, before = report.counts, previous.counts
    completed = now.completed - before.completed
    failed = now.failures - before.failures
    if failed:
        causes = _grown(now.failed, before.failed)
        level = DiagnosticStatus.WARN if completed else DiagnosticStatus.ERROR
        return level, (
            f"{failed} of {failed + completed} pairs failed: {', '.join(causes)}"
            + _why_no_calibration(causes, report.camera_info)
        )
    if now.matched == before.matched:
        return DiagnosticStatus.WARN, (
            "no image has a sparse depth by the rule of the parameters sync.*: compare the stamps "
            f"on {report.image.topic} and {report.sparse_depth.topic}"
        )
    if report.output_mismatch:
        return DiagnosticStatus.WARN, (
            f"an output does not get through: {report.output_mismatch}; make both match, here with "
            "the parameters qos.*"
        )
    if now.unwanted > before.unwanted:
        return DiagnosticStatus.OK, "idle: nobody is subscribed to an output"
    if not completed:
        return DiagnosticStatus.WARN, "busy: no depth image was finished in the last period"
    return None


def _of_warnings(report: Report, previous: Report) -> Verdict | None:
    """Verdict on what went wrong without costing the depth image."""
    causes = _grown(report.counts.warnings, previous.counts.warnings)
    if not causes:
        return None
    reason = _why_no_calibration(causes, report.camera_info)
    return DiagnosticStatus.WARN, f"depth is published, but: {', '.join(causes)}{reason}"


def _of_backend(report: Report) -> Verdict | None:
    if not report.backend_warnings:
        return None
    reasons = "; ".join(report.backend_warnings)
    return DiagnosticStatus.WARN, f"depth is published, but {reasons}"


def _why_no_calibration(causes: list[str], camera_info: Input) -> str:
    """What to add to a sentence that names the causes, if the topic has been silent so far."""
    silent = diagnostics.of_input(camera_info, Input(camera_info.topic))
    return f"; {silent[1]}" if NO_CAMERA_INFO in causes and silent is not None else ""


def _of_rates(report: Report, previous: Report, limits: CommonParameters) -> Verdict | None:
    now, before = report.counts, previous.counts
    completed = now.completed - before.completed
    lost = now.replaced - before.replaced
    # An image of a faster topic has no partner by design, so the topic that loses less counts.
    inputs = [(getattr(report, topic), getattr(previous, topic)) for topic in TOPICS]
    unmatched, received = min(
        (
            (sum(now.dropped_since(before).values()), now.received - before.received)
            for now, before in inputs
        ),
        key=lambda topic: topic[0] / max(1, topic[1]),
    )
    return diagnostics.of_rate(
        completed, report.time - previous.time, limits
    ) or diagnostics.of_drops(unmatched + lost, received, limits)


def _grown(now: Mapping[str, int], before: Mapping[str, int]) -> list[str]:
    return [cause for cause, count in now.items() if count > before.get(cause, 0)]


def values(report: Report, previous: Report) -> Iterator[tuple[str, str]]:
    """Keys and values to show; rates are those between the two reports."""
    period = report.time - previous.time
    yield "model", report.model
    for graph, sha256 in report.hashes.items():
        yield f"model {graph} sha256", sha256
    yield "backend", report.backend
    for name in TOPICS:
        now, before = getattr(report, name), getattr(previous, name)
        yield from diagnostics.input_values(name, now, before, period)
    yield "received camera_info", str(report.camera_info.received)
    yield "reloads", str(report.reloads)
    yield "time jumps", str(report.time_jumps)
    counts = report.counts
    yield "matched", str(counts.matched)
    yield "reused sparse_depth", str(report.reused)
    yield "completed", str(counts.completed)
    completed = counts.completed - previous.counts.completed
    yield "rate completed Hz", diagnostics.rate(completed, period)
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
    yield "contradicted points", str(counts.contradicted_points)
    yield from diagnostics.latency_values(counts.latencies)
