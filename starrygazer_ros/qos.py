"""Quality of service: profiles from parameters, and why two ends do not connect."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from starrygazer_ros.common_parameters import BEST_EFFORT, RELIABLE, CommonParameters
from starrygazer_ros.headers import NANOSECONDS

LONGEST_DEADLINE = 2.0**31 - 1  # s
_RELIABILITIES = {
    BEST_EFFORT: ReliabilityPolicy.BEST_EFFORT,
    RELIABLE: ReliabilityPolicy.RELIABLE,
}
# Weakest first: a publisher has to offer at least what a subscription requests (DDS 1.4, 2.2.3).
_STRENGTHS = {
    "reliability": (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE),
    "durability": (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
    "liveliness": (LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC),
}


def input_profile(values: CommonParameters) -> QoSProfile:
    """QoS of the subscriptions."""
    return profile(values.input_reliability, values.input_depth)


def output_profile(values: CommonParameters) -> QoSProfile:
    """QoS of the publishers."""
    return profile(values.output_reliability, values.output_depth)


def profile(reliability: str, depth: int) -> QoSProfile:
    """A volatile profile that keeps the last messages."""
    return QoSProfile(
        reliability=_RELIABILITIES[reliability],
        durability=DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
    )


def incompatible_policies(offered: QoSProfile, requested: QoSProfile) -> list[str]:
    """Names of the policies that keep a publisher and a subscription apart.

    Args:
        offered: by the publisher.
        requested: by the subscription; what is unknown to the middleware counts as compatible.
    """
    apart = []
    for policy, strengths in _STRENGTHS.items():
        offer, request = getattr(offered, policy), getattr(requested, policy)
        known = offer in strengths and request in strengths
        if known and strengths.index(offer) < strengths.index(request):
            apart.append(policy)
    if _period(offered) > _period(requested):
        apart.append("deadline")
    return apart


def publisher_mismatch(node: Node, topic: str, requested: QoSProfile) -> str:
    """Which publisher a subscription of ours cannot hear and why; empty if there is none.

    Args:
        node: that asks the graph.
        topic: resolved name.
        requested: QoS of the subscription.
    """
    for publisher in node.get_publishers_info_by_topic(topic):
        policies = incompatible_policies(publisher.qos_profile, requested)
        if policies:
            return (
                f"{_name(publisher)} publishes {topic} with "
                f"{_values(publisher.qos_profile, policies)}, but this node asks for "
                f"{_values(requested, policies)}"
            )
    return ""


def subscription_mismatch(node: Node, publishers: Iterable[Publisher]) -> str:
    """Which subscription does not hear a publisher of ours and why; empty if there is none."""
    for publisher in publishers:
        for subscription in node.get_subscriptions_info_by_topic(publisher.topic_name):
            policies = incompatible_policies(publisher.qos_profile, subscription.qos_profile)
            if policies:
                return (
                    f"{_name(subscription)} asks for {publisher.topic_name} with "
                    f"{_values(subscription.qos_profile, policies)}, but this node offers "
                    f"{_values(publisher.qos_profile, policies)}"
                )
    return ""


def _period(profile: QoSProfile) -> float:
    """Deadline in seconds; 0, and in what the graph tells 2^31 s or 2^63 ns, stand for none."""
    seconds = float(profile.deadline.nanoseconds / NANOSECONDS)
    return seconds if 0 < seconds < LONGEST_DEADLINE else float("inf")


def _values(profile: QoSProfile, policies: Iterable[str]) -> str:
    return ", ".join(f"{policy} {_value(profile, policy)}" for policy in policies)


def _value(profile: QoSProfile, policy: str) -> str:
    if policy == "deadline":
        seconds = _period(profile)
        return "none" if seconds == float("inf") else f"{seconds:g} s"
    return str(getattr(profile, policy).name)


def _name(endpoint: object) -> str:
    """Full name of the node that an endpoint belongs to."""
    namespace, name = endpoint.node_namespace, endpoint.node_name  # type: ignore[attr-defined]
    return f"{namespace.rstrip('/')}/{name}"
