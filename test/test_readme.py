"""README's table of parameters; what a running node says is in test/integration."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is needed for the node's parameters")

from starrygazer_ros.completion_parameters import CompletionParameters


def rows(repository: Path, heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without the two header lines."""
    section = (repository / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    table = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_parameter_table_says_defaults_and_when_they_may_change(
    repository: Path,
) -> None:
    documented = {
        row[0].strip("`"): (row[1].strip("`"), row[2]) for row in rows(repository, "Parameters")
    }
    declared = {
        parameter.metadata["name"]: (
            yaml.safe_dump(parameter.default).split("\n")[0],
            parameter.metadata["when"].value,
        )
        for parameter in fields(CompletionParameters)
    }
    assert documented == declared
