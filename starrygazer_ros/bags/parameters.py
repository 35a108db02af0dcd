"""The node's parameters for a bag: from a parameters file and from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from starrygazer_ros.bags.parameter_files import parameters_of_node
from starrygazer_ros.bags.recording import BagError
from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.console import say
from starrygazer_ros.parameters import MISSPELT, as_declared, similar

# Of parameters that only a running node needs; topics of a bag tell their transport.
NOT_FOR_BAGS = {entry.metadata["name"] for entry in fields(CommonParameters)} | {
    "input.image_transport",
    "input.sparse_depth_transport",
    "extrinsics.timeout",
}


def read_parameters(
    file: Path | None, assignments: Iterable[str], namespace: str = ""
) -> CompletionParameters:
    """Defaults, changed by a file and then by assignments; says which of them change nothing.

    Args:
        file: as for the node, ``None`` = none; what the node does not have may be for others.
        assignments: ``name:=value`` each, as ``ros2 run`` takes them.
        namespace: of the node, with a slash in front or empty.

    Raises:
        BagError: the file cannot be read, or a name or value is not allowed.
    """
    entries = {entry.metadata["name"]: entry for entry in fields(CompletionParameters)}
    of_file = parameters_of_node(file, namespace) if file else {}
    given = {name: value for name, value in of_file.items() if name in entries}
    for name in of_file:
        close = similar(name, entries, MISSPELT)
        if name not in entries and close:
            raise BagError(
                f"{file}: there is no parameter {name}: did you mean {close}? What is for "
                "another node stands under that node's name"
            )
    for assignment in assignments:
        name, separator, text = assignment.partition(":=")
        if not separator:
            raise BagError(f"-p {assignment}: write it as name:=value")
        if name not in entries:
            close = similar(name, entries)
            hint = f": did you mean {close}?" if close else "; README.md lists all"
            raise BagError(f"there is no parameter {name}{hint}")
        given[name] = _value(assignment, text)
    values = {entries[name].name: as_declared(entries[name], v) for name, v in given.items()}
    try:
        parameters = replace(CompletionParameters(), **values)
    except ValueError as error:
        raise BagError(str(error)) from error
    unused = [name for name in of_file if name not in entries] + [
        name
        for name in given
        if name in NOT_FOR_BAGS and values[entries[name].name] != entries[name].default
    ]
    if unused:
        say(f"parameters that change nothing for a bag: {', '.join(unused)}")
    return parameters


def _value(assignment: str, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BagError(f"-p {assignment}: {text} is no YAML value") from error
    if isinstance(value, str):
        with suppress(ValueError):  # 1e-2 is text for YAML 1.1, which PyYAML reads
            return float(value)
    return value
