"""What all nodes say on ``/diagnostics``: a verdict in one sentence, and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.statistics import Latency
from starrygazer_ros.synchronization import NegativeStampError

SHORTEST_PERIOD = 0.001  # s

Verdict = tuple[bytes, str]
"""Level of a ``DiagnosticStatus`` and the sentence that says why."""


@dataclass(frozen=True)
class Input:
    """One input topic.

    Attributes:
        topic: resolved name.
        received: messages so far.
        waiting: messages that wait for their partner.
        dropped: messages that came to nothing, by cause.
        age: seconds from the last message's stamp to its arrival, by the node's clock.
        silence: seconds since the last message, or since the node listens.
        publishers: how many there are.
        mismatch: which of them this node cannot hear and why, empty if it can hear all.
    """

    topic: str
    received: int = 0
    waiting: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    age: float = 0.0
    silence: float = 0.0
    publishers: int = 0
    mismatch: str = ""

    def dropped_since(self, before: Input) -> dict[str, int]:
        """Messages that came to nothing since an earlier report, by cause."""
        causes = {c: n - before.dropped.get(c, 0) for c, n in self.dropped.items()}
        return {cause: count for cause, count in causes.items() if count > 0}


def of_lifecycle(state: str, problem: str) -> Verdict | None:
    """Verdict on a node that does not work; ``None`` if it is active.

    Args:
        state: lifecycle state.
        problem: why the last transition failed, empty if it did not.
    """
    if problem:
        return DiagnosticStatus.ERROR, problem
    if state != "active":
        return DiagnosticStatus.OK, f"not active, lifecycle state is {state}"
    return None


def of_input(now: Input, before: Input) -> Verdict | None:
    """Verdict on an input that brought nothing usable in a period; ``None`` if it did."""
    received = now.received - before.received
    refused = now.dropped_since(before).get(NegativeStampError.cause)
    if not received and now.mismatch:
        return DiagnosticStatus.ERROR, (
            f"nothing can arrive on {now.topic}: {now.mismatch}; make both match, here with the "
            "parameters qos.*"
        )
    if not received:
        return DiagnosticStatus.STALE, (
            f"nothing received on {now.topic} for {now.silence:.0f} s: "
            + (
                "it has a publisher that sends nothing or whose messages are lost on the way, as "
                "large images are without the Fast DDS profile of config/"
                if now.publishers
                else "nobody publishes it, check the name and the remapping"
            )
        )
    if refused and refused == received:
        return DiagnosticStatus.WARN, f"every message on {now.topic} has a negative stamp"
    return None


def of_stamps(inputs: Iterable[Input], limits: CommonParameters) -> Verdict | None:
    """Verdict on inputs whose stamps are far from the node's clock; ``None`` if all are near."""
    for now in inputs:
        if 0 < limits.max_stamp_age < abs(now.age):
            where = "behind" if now.age > 0 else "ahead of"
            return DiagnosticStatus.WARN, (
                f"stamps on {now.topic} are {abs(now.age):.1f} s {where} this node's clock (limit "
                f"{limits.max_stamp_age:g} s): synchronise the machines' clocks, or with a bag set "
                "use_sim_time and play it with --clock"
            )
    return None


def of_latency(latency: Latency | None, limits: CommonParameters) -> Verdict | None:
    """Verdict on the time from the inputs to the output; ``None`` if it is short enough."""
    if latency is not None and 0 < limits.max_latency < latency.p95:
        return DiagnosticStatus.WARN, (
            f"1 of 20 outputs comes {latency.p95:.2f} s or more after its inputs (limit "
            f"{limits.max_latency:g} s): use a smaller image, more threads or a faster back end"
        )
    return None


def of_rate(outputs: int, period: float, limits: CommonParameters) -> Verdict | None:
    """Verdict on the number of outputs in a period of seconds; ``None`` if it is large enough."""
    # One more may be due just after the period: 10 Hz brings 9 to 11 messages in a second.
    if limits.min_rate > 0 and outputs + 1 < limits.min_rate * period:
        return DiagnosticStatus.WARN, (
            f"{outputs / period:.1f} outputs per second (limit {limits.min_rate:g} Hz)"
        )
    return None


def of_drops(dropped: int, total: int, limits: CommonParameters) -> Verdict | None:
    """Verdict on the inputs that came to nothing in a period; ``None`` if they are few enough."""
    if total and 0 < limits.max_drop_share < dropped / total:
        return DiagnosticStatus.WARN, (
            f"{dropped} of {total} inputs were dropped (limit {100 * limits.max_drop_share:.0f}%)"
        )
    return None


def input_values(name: str, now: Input, before: Input, period: float) -> Iterator[tuple[str, str]]:
    """Counters, rate and stamp age of an input."""
    yield f"received {name}", str(now.received)
    yield f"waiting {name}", str(now.waiting)
    for cause, count in sorted(now.dropped.items()):
        yield f"dropped {name} {cause}", str(count)
    yield f"rate {name} Hz", rate(now.received - before.received, period)
    yield f"stamp age {name} ms", f"{1000 * now.age:.1f}"


def latency_values(latencies: Mapping[str, Latency]) -> Iterator[tuple[str, str]]:
    """Percentiles by stage."""
    for stage, latency in latencies.items():
        yield f"latency {stage} p50 ms", f"{1000 * latency.p50:.2f}"
        yield f"latency {stage} p95 ms", f"{1000 * latency.p95:.2f}"


def rate(count: int, period: float) -> str:
    """Events per second; a counter that was reset gives 0."""
    return f"{max(0, count) / max(period, SHORTEST_PERIOD):.1f}"


def to_message(
    name: str,
    hardware_id: str,
    stamp: Time,
    verdict: Verdict,
    values: Iterable[tuple[str, str]],
) -> DiagnosticArray:
    """The diagnostics message of one period.

    Args:
        name: of the status, conventionally starting with the node's name.
        hardware_id: what the status is about.
        stamp: now, by the node's clock.
        verdict: level and sentence.
        values: keys and values.
    """
    level, message = verdict
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in values],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array
