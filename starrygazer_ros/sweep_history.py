"""The last clouds of a LiDAR as they arrived, for projections that use several of them."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starrygazer_ros.completion.motion import Sweep
from starrygazer_ros.headers import frame_of, stamp_of
from starrygazer_ros.messages import MessageError
from starrygazer_ros.synchronization import LARGEST_REORDERING

if TYPE_CHECKING:
    from sensor_msgs.msg import PointCloud2

LARGEST_DELAY = 5  # clouds that may arrive between the arrival and the projection of one


@dataclass
class ReceivedCloud:
    """A cloud, and its sweep as soon as some projection needed it.

    Attributes:
        message: the cloud.
        sweep: its points and pose, or why it has none; ``None`` before it was needed.
        by: the parameters that the sweep was made by.
    """

    message: PointCloud2
    sweep: Sweep | MessageError | None = None
    by: tuple[object, ...] = ()


class SweepHistory:
    """Clouds by stamp, of one LiDAR and one pass of time; all methods are thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamps: list[int] = []
        self._clouds: list[ReceivedCloud] = []

    def add(self, message: PointCloud2, count: int) -> None:
        """A cloud arrived; what is from another frame or from before time went back leaves.

        Args:
            message: of two with one stamp the newer stays.
            count: how many a projection uses.
        """
        stamp = stamp_of(message)
        with self._lock:
            if self._clouds and (
                frame_of(message) != frame_of(self._clouds[-1].message)
                or stamp < self._stamps[-1] - LARGEST_REORDERING
            ):
                self._forget()
            at = bisect_left(self._stamps, stamp)
            if at == len(self._stamps) or self._stamps[at] != stamp:
                self._stamps.insert(at, stamp)
                self._clouds.insert(at, ReceivedCloud(message))
            else:
                self._clouds[at] = ReceivedCloud(message)
            kept = count + LARGEST_DELAY
            del self._stamps[:-kept], self._clouds[:-kept]

    def before(self, message: PointCloud2, count: int) -> list[ReceivedCloud]:
        """The clouds just before one that was added, and it itself as the last; the oldest first.

        One that was not added, or has left again, comes alone.

        Args:
            message: the cloud.
            count: how many at most.
        """
        with self._lock:
            at = bisect_left(self._stamps, stamp_of(message))
            if at == len(self._clouds) or self._clouds[at].message is not message:
                return [ReceivedCloud(message)]
            return self._clouds[max(0, at + 1 - count) : at + 1]

    def clear(self) -> None:
        """Forget all clouds."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._stamps.clear()
        self._clouds.clear()
