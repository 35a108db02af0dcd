"""Parameters of the completion node: one table for declaration, validation and documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from starrygazer_ros.backends import BACKENDS
from starrygazer_ros.completion.completer import DEFAULT_MIN_SPARSE_POINTS
from starrygazer_ros.messages import DEPTH_ENCODINGS

RELIABILITIES = ("best_effort", "reliable")


def _parameter(
    name: str,
    default: Any,
    description: str,
    choices: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
    read_only: bool = False,
) -> Any:
    metadata = {
        "name": name,
        "description": description,
        "choices": choices,
        "limits": limits,
        "read_only": read_only,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NodeParameters:
    """Values of all parameters.

    Raises:
        ValueError: a value is not allowed; the message names the parameter and what is allowed.
    """

    model: str = _parameter(
        "model", "default", "Model bundle: name of an installed bundle or path of its folder."
    )
    backend: str = _parameter(
        # Checked on configure like the model, so that the node stays alive to be told better.
        "backend",
        "auto",
        f"Inference back end, one of {', '.join(BACKENDS)}; auto takes the fastest usable one.",
    )
    threads: int = _parameter("threads", 2, "CPU threads of one inference.", limits=(1, 256))
    min_sparse_points: int = _parameter(
        "min_sparse_points",
        DEFAULT_MIN_SPARSE_POINTS,
        "Sparse depth images with fewer valid points are refused.",
        limits=(1, 1_000_000),
    )
    filter_occluded: bool = _parameter(
        "filter_occluded",
        True,
        "Leave out background points seen past edges where the sparse depth is full of them.",
    )
    sync_slop: float = _parameter(
        "sync.slop",
        0.05,
        "Stamps of image and sparse depth differ by less than this [s]; 0 = by nothing.",
        limits=(0.0, 10.0),
    )
    sync_queue_size: int = _parameter(
        "sync.queue_size",
        10,
        "Images and sparse depth images that wait for their partner, each.",
        limits=(1, 1000),
    )
    autostart: bool = _parameter(
        "autostart",
        True,
        "Configure and activate at start; otherwise wait for the lifecycle services.",
        read_only=True,
    )
    depth_encoding: str = _parameter(
        "depth_encoding",
        "32FC1",
        "Dense depth as 32FC1 (metres, NaN = unknown) or 16UC1 (millimetres, 0 = unknown).",
        DEPTH_ENCODINGS,
    )
    points_organized: bool = _parameter(
        "points.organized",
        True,
        "Keep the image's rows and columns in the cloud; otherwise leave out unknown points.",
    )
    input_reliability: str = _parameter(
        "qos.input_reliability",
        "best_effort",
        "Reliability that the subscriptions ask for; best_effort matches every publisher.",
        RELIABILITIES,
    )
    input_depth: int = _parameter(
        "qos.input_depth", 5, "History depth of the subscriptions.", limits=(1, 1000)
    )
    output_reliability: str = _parameter(
        "qos.output_reliability",
        "reliable",
        "Reliability that the publishers offer; reliable matches every subscription.",
        RELIABILITIES,
    )
    output_depth: int = _parameter(
        "qos.output_depth", 1, "History depth of the publishers.", limits=(1, 1000)
    )

    def __post_init__(self) -> None:
        for parameter in fields(self):
            _check(parameter, getattr(self, parameter.name))

    def input_qos(self) -> QoSProfile:
        """QoS of the subscriptions."""
        return _qos(self.input_reliability, self.input_depth)

    def output_qos(self) -> QoSProfile:
        """QoS of the publishers."""
        return _qos(self.output_reliability, self.output_depth)


def declare(node: Node) -> None:
    """Declare all parameters.

    Raises:
        rclpy.exceptions.ParameterException: an override from the command line or a file has the
            wrong type or is out of range.
    """
    for parameter in fields(NodeParameters):
        node.declare_parameter(
            parameter.metadata["name"], parameter.default, _descriptor(parameter)
        )


def read(node: Node) -> NodeParameters:
    """Current values of the declared parameters; integers for numbers with a fraction are fine.

    Raises:
        ValueError: a value is not allowed.
    """
    return NodeParameters(
        **{
            parameter.name: _as_declared(
                parameter, node.get_parameter(parameter.metadata["name"]).value
            )
            for parameter in fields(NodeParameters)
        }
    )


def check_change(changes: Iterable[Parameter], unconfigured: bool) -> SetParametersResult:
    """Answer to a request to set parameters.

    Args:
        changes: the requested values; parameters of other owners (``use_sim_time``) pass.
        unconfigured: the node is in the lifecycle state unconfigured; parameters are read when
            it is configured, so later changes would have no effect and are refused.
    """
    known = {parameter.metadata["name"]: parameter for parameter in fields(NodeParameters)}
    for change in changes:
        if change.name not in known:
            continue
        if not unconfigured:
            reason = f"{change.name} takes effect on configure: deactivate and clean up first"
            return SetParametersResult(successful=False, reason=reason)
        try:
            parameter = known[change.name]
            _check(parameter, _as_declared(parameter, change.value))
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


def _as_declared(parameter: Field[Any], value: Any) -> Any:
    """``1`` for a parameter that is a float is what everybody means by it."""
    return float(value) if isinstance(parameter.default, float) and type(value) is int else value


def _check(parameter: Field[Any], value: Any) -> None:
    name = parameter.metadata["name"]
    choices, limits = parameter.metadata["choices"], parameter.metadata["limits"]
    if type(value) is not type(parameter.default):
        expected = type(parameter.default).__name__
        raise ValueError(f"{name} is a {expected}, got {value!r}")
    if choices and value not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}, got '{value}'")
    if limits and not limits[0] <= value <= limits[1]:
        raise ValueError(f"{name} is from {limits[0]} to {limits[1]}, got {value}")


def _descriptor(parameter: Field[Any]) -> ParameterDescriptor:
    choices, limits = parameter.metadata["choices"], parameter.metadata["limits"]
    descriptor = ParameterDescriptor(
        description=parameter.metadata["description"],
        read_only=parameter.metadata["read_only"],
        # Else rclpy refuses the integer that users write for a round number; _check has the type.
        dynamic_typing=isinstance(parameter.default, float),
        additional_constraints=f"one of {', '.join(choices)}" if choices else "",
    )
    if limits and isinstance(parameter.default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))
        ]
    elif limits:
        descriptor.integer_range = [
            IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)
        ]
    return descriptor


def _qos(reliability: str, depth: int) -> QoSProfile:
    policies = {
        "best_effort": ReliabilityPolicy.BEST_EFFORT,
        "reliable": ReliabilityPolicy.RELIABLE,
    }
    return QoSProfile(
        reliability=policies[reliability],
        durability=DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
    )
