"""Quality of service: profiles from parameters."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

_RELIABILITIES = {
    "best_effort": ReliabilityPolicy.BEST_EFFORT,
    "reliable": ReliabilityPolicy.RELIABLE,
}
RELIABILITIES = tuple(_RELIABILITIES)


def profile(reliability: str, depth: int) -> QoSProfile:
    """A volatile profile that keeps the last messages.

    Args:
        reliability: one of ``RELIABILITIES``.
        depth: number of messages.
    """
    return QoSProfile(
        reliability=_RELIABILITIES[reliability],
        durability=DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
    )
