"""What became of every frame, from the node's own diagnostics."""

from __future__ import annotations

import re
from dataclasses import dataclass

from demo.exchange import Values

_ON_THE_WAY = ("no_partner", "not_finished", "lost_before_node", "lost_after_node")


@dataclass(frozen=True)
class Counts:
    """What became of the frames.

    Attributes:
        sent: published by the player.
        completed: dense depth images that reached the recorder.
        dropped: the others, by cause.
    """

    sent: int
    completed: int
    dropped: dict[str, int]

    @property
    def consistent(self) -> bool:
        """Every frame is accounted for exactly once, and none twice."""
        accounted = self.completed + sum(self.dropped.values())
        return self.sent == accounted and min(self.dropped.values(), default=0) >= 0

    @property
    def settled(self) -> bool:
        """No frame is still on its way."""
        return self.consistent and not any(cause in self.dropped for cause in _ON_THE_WAY)


def count(sent: int, received: int, diagnostics: Values) -> Counts:
    """Account for every frame with the node's own counters.

    Args:
        sent: frames that the player published.
        received: dense depth images that the recorder got.
        diagnostics: the node's last.
    """

    def number(key: str) -> int:
        return int(diagnostics.get(key, "0"))

    dropped = {  # frames as pairs, and as images that found no pair
        key.removeprefix("dropped ").removeprefix("image "): int(value)
        for key, value in diagnostics.items()
        if key.startswith("dropped ") and not key.startswith("dropped sparse_depth ")
    }
    dropped["no_partner"] = number("waiting image")
    dropped["not_finished"] = number("in work")
    dropped["lost_before_node"] = sent - number("received image")
    dropped["lost_after_node"] = number("completed") - received
    return Counts(sent, received, {cause: n for cause, n in dropped.items() if n})


def latencies(diagnostics: Values) -> dict[str, dict[str, float]]:
    """Milliseconds by stage and percentile."""
    stages: dict[str, dict[str, float]] = {}
    for key, value in diagnostics.items():
        if match := re.fullmatch(r"latency (\w+) (p\d+) ms", key):
            stages.setdefault(match[1], {})[match[2]] = float(value)
    return stages
