"""YAML that is as small as it looks: bounded, without aliases, as ROS reads its parameters, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LARGEST = 1 << 20  # bytes
DEEPEST = 50  # mappings and lists in each other


def read_yaml(path: Path) -> Any:
    """What a file in UTF-8 holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no YAML or has an alias (``*name``), with which some bytes can mean
            gigabytes; or is too large.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    try:
        text = content.decode("utf-8")
        require_plain(text)
        return yaml.safe_load(text)
    except Exception as error:  # PyYAML leaves it to Python to refuse some values
        words = " ".join(str(error).split()) or "no text"
        raise ValueError(f"{type(error).__name__}: {words[:300]}") from error


def require_plain(text: str) -> None:
    """It has no aliases, and is not deeper than people write.

    Raises:
        ValueError: it is not plain.
        yaml.YAMLError: it is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise ValueError(f"line {line} has an alias: repeat the value")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} mappings and lists are in each other")
