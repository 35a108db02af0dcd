"""What a fault did: whether everything is accounted for, and a table of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import robustness.starting  # noqa: F401  # for the tests' modules

from integration.harness import NodeProcess, Peer, accounted, pairs_dropped, wait_for  # isort: skip


@dataclass
class Outcome:
    """What a fault did.

    Attributes:
        fault: its name.
        said: the worst sentences of diagnostics meanwhile.
        recovery: seconds from the end of the fault to the next depth.
        received: images that the node received, with those before and after the fault.
        completed: pairs that became depth.
        waiting: images still without a partner at the end.
        dropped: images and pairs by cause.
        problems: what is wrong, a sentence each.
        skipped: why it could not be done here; empty if it was.
    """

    fault: str
    said: tuple[str, ...] = ()
    recovery: float = float("nan")
    received: int = 0
    completed: int = 0
    waiting: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    skipped: str = ""


def account(outcome: Outcome, process: NodeProcess, peer: Peer) -> None:
    """Wait until nothing is in work and see whether everything is accounted for."""

    def settled() -> dict[str, str] | None:
        values = peer.diagnostics()[1]
        return values if values["in work"] == "0" else None

    values = wait_for(settled, "the last pair")
    outcome.received, outcome.completed = int(values["received image"]), int(values["completed"])
    outcome.waiting = int(values["waiting image"])
    outcome.dropped = {
        key.removeprefix("dropped "): int(count)
        for key, count in values.items()
        if key.startswith("dropped ") and int(count)
    }
    for topic in ("image", "sparse_depth"):
        if not accounted(values, topic):
            outcome.problems.append(f"messages of {topic} are not accounted for: {values}")
    if int(values["matched"]) != int(values["completed"]) + sum(pairs_dropped(values)):
        outcome.problems.append(f"pairs are not accounted for: {values}")
    if "Traceback" in process.log:
        outcome.problems.append("there is a traceback in the log")


def worst_sentences(peer: Peer, seen: int) -> tuple[str, ...]:
    """Sentences of the highest level since, each once."""
    statuses = [message.status[0] for message in peer.received["/diagnostics"][seen:]]
    levels = [int.from_bytes(status.level, "little") for status in statuses]
    worst = [s.message for s, level in zip(statuses, levels, strict=True) if level == max(levels)]
    return tuple(dict.fromkeys(worst)) if levels and max(levels) else ()


def table(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table."""
    lines = [
        "| fault | what the node said | depth is back after s | images received | completed | "
        "waiting | dropped |",
        "|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        if outcome.skipped:
            lines.append(f"| {outcome.fault} | not done: {outcome.skipped} | | | | | |")
            continue
        said = outcome.said[0] if outcome.said else "OK"
        dropped = ", ".join(f"{n} {cause}" for cause, n in outcome.dropped.items()) or "none"
        wrong = f" **{'; '.join(outcome.problems)}**" if outcome.problems else ""
        lines.append(
            f"| {outcome.fault} | {said}{wrong} | {outcome.recovery:.2f} | {outcome.received} | "
            f"{outcome.completed} | {outcome.waiting} | {dropped} |"
        )
    return "\n".join(lines)
