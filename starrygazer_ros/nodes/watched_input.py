"""A subscription that knows how old its messages are, and why it is silent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_policy_name_from_kind

from starrygazer_ros import qos
from starrygazer_ros.diagnostics import Input
from starrygazer_ros.headers import NANOSECONDS, stamp_of

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

SILENCE = 0.5  # s without a message from which on the graph is asked for the reason


class WatchedInput:
    """One subscription with the age of its messages and the reason of its silence.

    Args:
        node: owner of the subscription.
        message_type: a message with a header.
        topic: name relative to the node.
        callback: called with each message; must not raise.
        profile: QoS of the subscription.

    Attributes:
        topic: resolved name.
    """

    def __init__(
        self,
        node: Node,
        message_type: type,
        topic: str,
        callback: Callable[[Any], None],
        profile: QoSProfile,
    ) -> None:
        self.topic = node.resolve_topic_name(topic)
        self._node = node
        self._callback = callback
        self._profile = profile
        self._age = 0.0
        self._received = 0
        self._heard = time.monotonic()
        self._subscription = node.create_subscription(
            message_type,
            topic,
            self._on_message,
            profile,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )

    def destroy(self) -> None:
        """Destroy the subscription."""
        self._node.destroy_subscription(self._subscription)

    def report(self) -> Input:
        """What arrived since the subscription was made; who is to blame if it is silent."""
        silence = time.monotonic() - self._heard
        heard = Input(self.topic, self._received, age=self._age, silence=silence, publishers=1)
        if silence < SILENCE:
            return heard
        return replace(
            heard,
            publishers=self._node.count_publishers(self.topic),
            mismatch=qos.publisher_mismatch(self._node, self.topic, self._profile),
        )

    def _on_message(self, message: Any) -> None:
        self._received += 1
        self._heard = time.monotonic()
        now = self._node.get_clock().now().nanoseconds
        self._age = (now - stamp_of(message)) / NANOSECONDS
        self._callback(message)

    def _on_incompatible_qos(self, event: Any) -> None:
        """A publisher was discovered that this subscription cannot hear."""
        # The graph may learn of it later than this event.
        reason = qos.publisher_mismatch(self._node, self.topic, self._profile) or (
            f"a publisher of {self.topic} does not offer the "
            f"{qos_policy_name_from_kind(event.last_policy_kind).lower()} that this node asks for"
        )
        self._node.get_logger().warning(f"nothing can arrive on {self.topic}: {reason}")
