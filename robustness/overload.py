"""Pairs of a camera's size, several times as many as the node can complete."""

from __future__ import annotations

import time
from statistics import median

import robustness.starting  # noqa: F401  # for the tests' modules

from integration.harness import (  # isort: skip
    PERIOD,
    NodeProcess,
    Peer,
    image_message,
    sparse_depth_array,
    sparse_depth_message,
    stamp_of,
)

OVERLOAD = 4  # times what it can do
WIDTH, HEIGHT = 640, 480
ALONE = 5  # pairs one after the other, from which the capacity is known
LATEST = 2  # times that a pair takes, since the one that is published was sent


def images_are_too_many(_: NodeProcess, peer: Peer, seconds: float) -> float:
    """Depth goes on as fast as it can, of the newest pairs.

    Raises:
        AssertionError: it does not.
    """
    camera = _Camera(peer)
    capacity = camera.capacity()
    depth = peer.received["/depth/dense"]
    before, sent = len(depth), 0
    behind: list[int] = []  # pairs, of each depth that came
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        if sent < elapsed * OVERLOAD * capacity:
            newest = peer.new_stamp()
            camera.send(newest)
            sent += 1
        if len(depth) > before + len(behind):
            behind.append((newest - stamp_of(depth[-1])) // PERIOD)
        time.sleep(0.002)
    completed = len(depth) - before
    at_capacity = capacity * seconds
    assert sent > 0.8 * OVERLOAD * at_capacity, f"only {sent} pairs were sent"
    # Sending and receiving take their share of the processor.
    assert completed > 0.5 * at_capacity, f"{completed} pairs of {at_capacity:.0f} were completed"
    assert completed < sent / 2, f"{completed} of {sent} pairs were completed: it could do more"
    assert median(behind) <= LATEST * sent / completed, f"depth was {behind} pairs behind"
    return time.monotonic()


class _Camera:
    """Sends the same image, sparse depth and calibration again and again."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._image = image_message(width=WIDTH, height=HEIGHT)
        self._sparse_depth = sparse_depth_message(sparse_depth_array(WIDTH, HEIGHT))

    def send(self, stamp: int) -> None:
        """Publish all three."""
        self._peer.send_camera_info(stamp, width=WIDTH, height=HEIGHT)
        self._peer.send_pair(self._image, self._sparse_depth, stamp)

    def capacity(self) -> float:
        """Pairs per second, each sent when the one before is completed."""
        self._peer.send_until_completed(self.send)  # the first of a size takes longer
        return 1 / median(self._seconds() for _ in range(ALONE))  # one may be lost and sent again

    def _seconds(self) -> float:
        began = time.monotonic()
        self._peer.send_until_completed(self.send)
        return time.monotonic() - began
