"""A table of parameters as the declared parameters of a node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from starrygazer_ros.parameters import (
    MISSPELT,
    Parameters,
    Table,
    When,
    as_declared,
    similar,
)

EXPLAINED = {
    When.START: "read at start",
    When.CONFIGURE: "may change in lifecycle state unconfigured only",
    When.RUNNING: "may change at any time, applied between frames",
}


def declare(node: Node, table: type[Parameters]) -> None:
    """Declare all parameters of a table.

    Raises:
        rclpy.exceptions.ParameterException: an override from the command line or a file has the
            wrong type or is out of range.
    """
    for entry in fields(table):
        node.declare_parameter(entry.metadata["name"], entry.default, _descriptor(entry))


def not_declared(node: Node, table: type[Parameters]) -> Iterator[str]:
    """A sentence for each override that does nothing, because the name is misspelt."""
    names = [entry.metadata["name"] for entry in fields(table)]
    # rclpy has no public name for them. In a file for all nodes many are for others.
    for name in node._parameter_overrides:
        meant = similar(name, names, MISSPELT)
        if meant is not None and not node.has_parameter(name):
            yield f"there is no parameter {name}: did you mean {meant}?"


def read(node: Node, table: type[Table]) -> Table:
    """Current values of the declared parameters; integers for numbers with a fraction are fine.

    Raises:
        ValueError: a value is not allowed, or the values do not go together.
    """
    values = {
        entry.name: as_declared(entry, node.get_parameter(entry.metadata["name"]).value)
        for entry in fields(table)
    }
    return table(**values)


def _descriptor(entry: Field[Any]) -> ParameterDescriptor:
    when, choices, limits = (entry.metadata[key] for key in ("when", "choices", "limits"))
    constraints = [f"one of {', '.join(choices)}"] if choices else []
    descriptor = ParameterDescriptor(
        description=entry.metadata["description"],
        read_only=when is When.START,
        # Else rclpy refuses the integer that users write for a round number; _check has the type.
        dynamic_typing=isinstance(entry.default, (float, tuple)),
        additional_constraints="; ".join([*constraints, EXPLAINED[when]]),
    )
    if limits and isinstance(entry.default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(limits[0]), to_value=float(limits[1]))
        ]
    elif limits:
        descriptor.integer_range = [
            IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)
        ]
    return descriptor
