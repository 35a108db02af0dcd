"""Parameters files of ROS: which of their sections are those of completion_node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starrygazer_ros.bags.recording import BagError
from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.plain_yaml import read_yaml

NODE = "completion_node"
_PARAMETERS = "ros__parameters"


def parameters_of_node(file: Path, namespace: str) -> dict[str, Any]:
    """All that a file says of completion_node, by name; ``**`` and ``*`` are those of rcl.

    Args:
        file: YAML.
        namespace: of the node, with a slash in front or empty; of several nodes in the file it
            chooses one, a single one is taken whatever its namespace.

    Raises:
        BagError: the file cannot be read, has no such section, or those of several nodes.
    """
    try:
        content = read_yaml(file)
    except (OSError, ValueError) as error:
        raise BagError(
            f"{file} cannot be read as a parameters file: {in_one_line(error)}"
        ) from error
    sections = dict(_sections(content))
    nodes = [name for name in sections if name.endswith(f"/{NODE}") and "*" not in name]
    node = f"{namespace}/{NODE}"
    if node not in nodes and nodes:
        if len(nodes) > 1:
            raise BagError(
                f"{file} has parameters of {', '.join(nodes)}: choose one by --namespace, in which "
                "the new topics will be, too"
            )
        node = nodes[0]
    found: dict[str, Any] = {}
    for name in sorted(sections, key=lambda name: name == node):  # the node's own ones come last
        if re.fullmatch(_pattern(name), node):
            found.update(sections[name])
    if not found:
        has = f"; it has {', '.join(sections)}" if sections else ""
        raise BagError(
            f"{file} has no parameters of {node}: they stand under '{_PARAMETERS}:' of /** or of "
            f"the node's name{has}"
        )
    return found


def _sections(content: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Names of nodes with a slash in front, namespaces as part of the name or as a level."""
    if not isinstance(content, dict):
        return
    for key, below in content.items():
        if key == _PARAMETERS and isinstance(below, dict):
            yield name, _flat(below)
        elif key != _PARAMETERS:
            yield from _sections(below, f"{name}/{str(key).strip('/')}")


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"sync": {"slop": 0.1}}`` as ``{"sync.slop": 0.1}``."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _pattern(name: str) -> str:
    """Of the nodes that a section is for: ``*`` is one part of a name, ``**`` are any."""
    parts = {"**": "(/[^/]+)*", "*": "/[^/]+"}
    return "".join(parts.get(part, f"/{re.escape(part)}") for part in name.split("/")[1:])
