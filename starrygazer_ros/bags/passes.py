"""What was recorded, by the passes of a recording: where time goes back, a new one begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from starrygazer_ros.headers import NANOSECONDS

# Publishers of one thing overtake each other by less; loops and simulations that start again go
# back further. By as much a message may be recorded before what it needs.
LATEST_ARRIVAL = NANOSECONDS
NEVER = -(2**63)  # before all times


@dataclass
class Moment:
    """How far the reading of a recording has come, in the time of recording.

    Attributes:
        now: when the message that is being read was recorded.
        since: when the stamps of the inputs went back the last time.
    """

    now: int = 0
    since: int = NEVER


@dataclass
class Pass:
    """What was recorded without time going back.

    Attributes:
        first: when its first message was recorded, in nanoseconds as all times here.
        last: when its last message was recorded.
        newest: largest stamp.
    """

    first: int
    last: int
    newest: int

    def distance(self, now: int) -> int:
        """From when it was recorded to another time of recording, 0 within it."""
        return max(self.first - now, now - self.last, 0)


AnyPass = TypeVar("AnyPass", bound=Pass)


@dataclass
class Passes(Generic[AnyPass]):
    """The passes of one thing that is published again and again, in the order of recording.

    Args:
        kind: of a pass.
    """

    kind: type[AnyPass]
    # At least one, once :meth:`of` was called.
    _all: list[AnyPass] = field(default_factory=list)

    def of(self, stamp: int, recorded: int) -> AnyPass:
        """The pass that a message belongs to, extended to it.

        Args:
            stamp: of the message.
            recorded: when the message was recorded; not before those that were asked for earlier.
        """
        if not self._all or stamp < self._all[-1].newest - LATEST_ARRIVAL:
            self._all.append(self.kind(recorded, recorded, stamp))
        found = self._all[-1]
        found.last = max(found.last, recorded)
        found.newest = max(found.newest, stamp)
        return found

    def near(self, moment: Moment) -> list[AnyPass]:
        """For what holds at its time only: those that are not over.

        The one that a message is in or behind comes first, of equally near ones the later.
        """
        usable = [found for found in reversed(self._all) if found.last >= moment.since]
        # A pass that only begins later is somebody else's future, unless there is no other one.
        soon = [found for found in usable if found.first <= moment.now + LATEST_ARRIVAL]
        nearest = soon or usable[-1:]
        nearest.sort(key=lambda found: (found.first > moment.now, found.distance(moment.now)))
        return nearest

    def current(self, moment: Moment) -> AnyPass:
        """For what holds until something else is said: the last one that has begun, else the first.

        Between the moment at which the inputs go back and its first message, it is the next one.
        """
        begun = sum(found.first <= moment.now for found in self._all)
        current = self._all[max(begun - 1, 0)]
        following = self._all[begun] if begun < len(self._all) else current
        soon = following.first <= moment.now + LATEST_ARRIVAL
        return following if soon and current.last < moment.since else current
