"""The node's parameters for a bag: from a parameters file and from the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from starrygazer_ros.bags.recording import BagError
from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.parameters import as_declared

# Sections of a parameters file that concern completion_node.
_SECTIONS = ("/**", "completion_node", "/completion_node")


def read_parameters(file: Path | None, assignments: Iterable[str]) -> CompletionParameters:
    """Defaults, changed by a file and then by assignments.

    Args:
        file: as for the node, ``None`` = none; what the node does not have is passed over, since
            other nodes may have it.
        assignments: ``name:=value`` each, as ``ros2 run`` takes them.

    Raises:
        BagError: the file cannot be read, or a name or value is not allowed.
    """
    entries = {entry.metadata["name"]: entry for entry in fields(CompletionParameters)}
    given = _of_file(file) if file else {}
    given = {name: value for name, value in given.items() if name in entries}
    for assignment in assignments:
        name, separator, text = assignment.partition(":=")
        if not separator:
            raise BagError(f"-p {assignment}: write it as name:=value")
        if name not in entries:
            close = difflib.get_close_matches(name, entries, n=1)
            hint = f": did you mean {close[0]}?" if close else "; README.md lists all"
            raise BagError(f"there is no parameter {name}{hint}")
        given[name] = _value(assignment, text)
    values = {entries[name].name: as_declared(entries[name], v) for name, v in given.items()}
    try:
        return replace(CompletionParameters(), **values)
    except ValueError as error:
        raise BagError(str(error)) from error


def _of_file(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BagError(
            f"{file} cannot be read as a parameters file: {in_one_line(error)}"
        ) from error
    found: dict[str, Any] = {}
    sections = content if isinstance(content, dict) else {}
    for section in _SECTIONS:
        of_node = sections.get(section)
        if isinstance(of_node, dict) and isinstance(of_node.get("ros__parameters"), dict):
            found.update(_flat(of_node["ros__parameters"]))
    if not found:
        raise BagError(
            f"{file} has no parameters of completion_node: they stand under 'ros__parameters:' of "
            f"one of {', '.join(_SECTIONS)}"
        )
    return found


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"sync": {"slop": 0.1}}`` as ``{"sync.slop": 0.1}``."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _value(assignment: str, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BagError(f"-p {assignment}: {text} is no YAML value") from error
    if isinstance(value, str):
        with suppress(ValueError):  # 1e-2 is text for YAML 1.1, which PyYAML reads
            return float(value)
    return value
