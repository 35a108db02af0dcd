"""What all nodes say on ``/diagnostics``: a verdict in one sentence, and values."""

from __future__ import annotations

from collections.abc import Iterable

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

Verdict = tuple[bytes, str]
"""Level of a ``DiagnosticStatus`` and the sentence that says why."""


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
