"""README's table of parameters; what a running node says is in test/integration."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is needed for the node's parameters")

from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.projection_parameters import ProjectionParameters


def rows(repository: Path, heading: str) -> list[list[str]]:
    """Cells of the last table under a heading, without the two header lines."""
    section = (repository / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    last = section.split("\n## ")[0].split("|---|")[-1]
    table = [line for line in last.splitlines()[1:] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize(
    ("heading", "table", "elsewhere"),
    [
        ("Parameters", CompletionParameters, set()),
        (
            "Projection of point clouds",
            ProjectionParameters,
            {entry.metadata["name"] for entry in fields(CommonParameters)},
        ),
    ],
)
def test_parameter_tables_say_defaults_and_when_they_may_change(
    repository: Path, heading: str, table: type[CommonParameters], elsewhere: set[str]
) -> None:
    documented = {
        row[0].strip("`"): (row[1].strip("`"), row[2]) for row in rows(repository, heading)
    }
    declared = {
        entry.metadata["name"]: (
            yaml.safe_dump(entry.default, default_flow_style=True).split("\n")[0],
            entry.metadata["when"].value,
        )
        for entry in fields(table)
    }
    assert documented == {name: said for name, said in declared.items() if name not in elsewhere}
