"""Parameters of a node as a frozen dataclass: description, checks and changes.

A table is a subclass of :class:`Parameters` with one field per parameter, for example
:class:`~starrygazer_ros.completion_parameters.CompletionParameters`. Adding a parameter is adding
a field.
"""

from __future__ import annotations

import difflib
from array import array
from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rclpy.parameter import Parameter

Table = TypeVar("Table", bound="Parameters")


MISSPELT = 0.8  # similarity from which on a name is no other node's, 0..1


class When(Enum):
    """When a parameter may change; the value is the word for it in the documentation."""

    START = "start"
    """Read once when the process starts, read-only afterwards."""
    CONFIGURE = "configure"
    """Read by the transition configure, so it may change in the state unconfigured only."""
    RUNNING = "running"
    """At any time, applied between two frames."""


def parameter(
    name: str,
    default: Any,
    description: str,
    when: When,
    choices: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
) -> Any:
    """A field of a table.

    Args:
        name: of the ROS parameter.
        default: bool, int, float, str or a tuple of floats; its type and length are those of the
            parameter.
        description: one sentence with the unit in brackets.
        when: it may change.
        choices: the values that are allowed, empty = all.
        limits: the smallest and the largest value that are allowed, ``None`` = all.
    """
    metadata = {"name": name, "description": description, "when": when}
    return field(default=default, metadata={**metadata, "choices": choices, "limits": limits})


@dataclass(frozen=True)
class Parameters:
    """Base of the tables: all values of a node's parameters at one moment.

    Raises:
        ValueError: a value is not allowed; the message names the parameter and what is allowed.
    """

    def __post_init__(self) -> None:
        for entry in fields(self):
            _check(entry, getattr(self, entry.name))
        self.check_together()

    def check_together(self) -> None:
        """Check values against each other, each being allowed by itself; tables extend this.

        Raises:
            ValueError: the values do not go together.
        """


def similar(name: str, names: Iterable[str], at_least: float = 0.6) -> str | None:
    """The name that somebody may have meant.

    Args:
        name: that there is not.
        names: that there are.
        at_least: similarity, 0..1.
    """
    return next(iter(difflib.get_close_matches(name, names, 1, at_least)), None)


def changed(values: Table, changes: Iterable[Parameter], unconfigured: bool) -> Table:
    """Values after a change of some of them, checked as a set.

    Args:
        values: before the change.
        changes: the requested values; parameters of other owners (``use_sim_time``) are left out.
        unconfigured: the node is in the lifecycle state unconfigured.

    Raises:
        ValueError: a parameter cannot change now, its value is not allowed, or the resulting values
            do not go together.
    """
    entries = {entry.metadata["name"]: entry for entry in fields(values)}
    new = {}
    for change in changes:
        entry = entries.get(change.name)
        if entry is None:
            continue
        value = as_declared(entry, change.value)
        if value == getattr(values, entry.name) and type(value) is type(entry.default):
            continue  # a whole file may be loaded into a running node if it says what is so already
        if entry.metadata["when"] is When.START:
            raise ValueError(f"{change.name} is read at start: set it there and start again")
        if entry.metadata["when"] is When.CONFIGURE and not unconfigured:
            raise ValueError(
                f"{change.name} takes effect on configure: deactivate and clean up first"
            )
        new[entry.name] = value
    return replace(values, **new)


def as_declared(entry: Field[Any], value: Any) -> Any:
    """A value in the type of its field: ``1`` for a float is what everybody means by it."""
    if isinstance(entry.default, float) and type(value) is int:
        return float(value)
    if isinstance(entry.default, tuple) and isinstance(value, (list, tuple, array)):
        numbers = all(type(number) in (int, float) for number in value)
        return tuple(float(number) for number in value) if numbers else value
    return value


def _check(entry: Field[Any], value: Any) -> None:
    name = entry.metadata["name"]
    choices, limits = entry.metadata["choices"], entry.metadata["limits"]
    if type(value) is not type(entry.default):
        numbers = (
            f"list of {len(entry.default)} numbers" if isinstance(entry.default, tuple) else ""
        )
        expected = numbers or type(entry.default).__name__
        raise ValueError(f"{name} is a {expected}, got {value!r}")
    if isinstance(value, tuple) and len(value) != len(entry.default):
        raise ValueError(f"{name} has {len(entry.default)} numbers, got {list(value)}")
    if choices and value not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}, got '{value}'")
    if limits and not limits[0] <= value <= limits[1]:
        raise ValueError(f"{name} is from {limits[0]} to {limits[1]}, got {value}")
