"""The camera_info of a bag, each for the messages that it is meant for."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from starrygazer_ros.bags.passes import Moment, Pass, Passes
from starrygazer_ros.calibration import CalibrationCache, of_image, said
from starrygazer_ros.headers import frame_of, stamp_of

_Key = tuple[str, int, int]


@dataclass
class _Changes(Pass):
    """Messages that say something new, by stamp."""

    stamps: list[int] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    content: tuple[Any, ...] = ()

    def add(self, stamp: int, message: Any) -> None:
        """Take a CameraInfo; of one that repeats the last one only the first is kept."""
        content = said(message)
        if stamp >= self.newest and content == self.content:
            return
        self.content = content
        at = bisect_right(self.stamps, stamp)
        self.stamps.insert(at, stamp)
        self.messages.insert(at, message)

    def at(self, stamp: int) -> int:
        """Index of the one with this stamp, else of the newest before it, else of the first."""
        return max(bisect_right(self.stamps, stamp) - 1, 0)


class RecordedCalibrations:
    """All CameraInfo of a topic, by stamp in the pass of the recording that an image is in.

    Args:
        moment: how far the reading has come.
    """

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._passes: dict[_Key, Passes[_Changes]] = {}
        self._stored: dict[_Key, Any] = {}

    def add(self, message: Any, recorded: int) -> None:
        """Take a CameraInfo, in the order of recording.

        Args:
            message: of any frame and size.
            recorded: when, in nanoseconds.

        Raises:
            UnusableCameraInfoError: no usable calibration; the others stay.
        """
        of_image(message)
        key = frame_of(message), message.width, message.height
        stamp = stamp_of(message)
        self._passes.setdefault(key, Passes(_Changes)).of(stamp, recorded).add(stamp, message)

    def store(self, stamp: int, cache: CalibrationCache) -> None:
        """Have a cache, always the same one, hold what holds at a stamp; the newest comes last."""
        chosen = []
        for key, passes in self._passes.items():
            changes = passes.current(self._moment)
            at = changes.at(stamp)
            chosen.append((changes.stamps[at], key, changes.messages[at]))
        if all(self._stored.get(key) is message for _, key, message in chosen):
            return
        cache.clear()
        for _, key, message in sorted(chosen, key=lambda choice: choice[0]):
            cache.store(message)
            self._stored[key] = message
