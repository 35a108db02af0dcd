"""Parameters that all nodes of this package have."""

from __future__ import annotations

from dataclasses import dataclass

from starrygazer_ros.parameters import Parameters, When, parameter

BEST_EFFORT, RELIABLE = RELIABILITIES = ("best_effort", "reliable")


@dataclass(frozen=True)
class CommonParameters(Parameters):
    """Start, quality of service, thresholds of diagnostics; the tables of the nodes extend it."""

    autostart: bool = parameter(
        "autostart",
        True,
        "Configure and activate at start; otherwise wait for the lifecycle services.",
        When.START,
    )
    input_reliability: str = parameter(
        "qos.input_reliability",
        BEST_EFFORT,
        "Reliability that the subscriptions ask for; best_effort matches every publisher.",
        When.CONFIGURE,
        choices=RELIABILITIES,
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
        RELIABLE,
        "Reliability that the publishers offer; reliable matches every subscription.",
        When.CONFIGURE,
        choices=RELIABILITIES,
    )
    output_depth: int = parameter(
        "qos.output_depth",
        1,
        "History depth of the publishers.",
        When.CONFIGURE,
        limits=(1, 1000),
    )
    max_stamp_age: float = parameter(
        "diagnostics.max_stamp_age",
        1.0,
        "Diagnostics warn of inputs whose stamps are further from the clock [s]; 0 = never.",
        When.RUNNING,
        limits=(0.0, 3600.0),
    )
    max_latency: float = parameter(
        "diagnostics.max_latency",
        1.0,
        "Diagnostics warn when 5% of the outputs take longer after their inputs [s]; 0 = never.",
        When.RUNNING,
        limits=(0.0, 3600.0),
    )
    min_rate: float = parameter(
        "diagnostics.min_rate",
        0.0,
        "Diagnostics warn of fewer outputs per second that somebody listens to [Hz]; 0 = never.",
        When.RUNNING,
        limits=(0.0, 1000.0),
    )
    max_drop_share: float = parameter(
        "diagnostics.max_drop_share",
        0.0,
        "Diagnostics warn when a larger share of the inputs is dropped, 0..1; 0 = never.",
        When.RUNNING,
        limits=(0.0, 1.0),
    )
