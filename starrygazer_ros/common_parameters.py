"""Parameters that all nodes of this package have."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.qos import QoSProfile

from starrygazer_ros import qos
from starrygazer_ros.parameters import Parameters, When, parameter


@dataclass(frozen=True)
class CommonParameters(Parameters):
    """Start and quality of service; the tables of the nodes extend it."""

    autostart: bool = parameter(
        "autostart",
        True,
        "Configure and activate at start; otherwise wait for the lifecycle services.",
        When.START,
    )
    input_reliability: str = parameter(
        "qos.input_reliability",
        "best_effort",
        "Reliability that the subscriptions ask for; best_effort matches every publisher.",
        When.CONFIGURE,
        choices=qos.RELIABILITIES,
    )
    input_depth: int = parameter(
        "qos.input_depth",
        5,
        "History depth of the subscriptions.",
        When.CONFIGURE,
        limits=(1, 1000),
    )
    output_reliability: str = parameter(
        "qos.output_reliability",
        "reliable",
        "Reliability that the publishers offer; reliable matches every subscription.",
        When.CONFIGURE,
        choices=qos.RELIABILITIES,
    )
    output_depth: int = parameter(
        "qos.output_depth",
        1,
        "History depth of the publishers.",
        When.CONFIGURE,
        limits=(1, 1000),
    )

    def input_qos(self) -> QoSProfile:
        """QoS of the subscriptions."""
        return qos.profile(self.input_reliability, self.input_depth)

    def output_qos(self) -> QoSProfile:
        """QoS of the publishers."""
        return qos.profile(self.output_reliability, self.output_depth)
