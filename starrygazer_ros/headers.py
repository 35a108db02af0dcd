"""What the header of a message says, for comparisons."""

from __future__ import annotations

from typing import Any

NANOSECONDS = 10**9


def stamp_of(message: Any) -> int:
    """Stamp of a message in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def frame_of(message: Any) -> str:
    """Frame of a message by its plain name."""
    return plain_frame(message.header.frame_id)


def plain_frame(frame_id: str) -> str:
    """A frame without the slash in front that ROS 1 allowed and old drivers and bags still have."""
    return frame_id.lstrip("/")
