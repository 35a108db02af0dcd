"""README's table of parameters; what a running node says is in test/integration."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is needed for the node's parameters")

from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.projection_parameters import CloudParameters, ProjectionParameters
from starrygazer_ros.transforms import matrix


def rows(repository: Path, heading: str) -> list[list[str]]:
    """Cells of the last table under a heading, without the two header lines."""
    section = (repository / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    last = section.split("\n## ")[0].split("|---|")[-1]
    table = [line for line in last.splitlines()[1:] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_example_of_a_rotation_looks_where_the_camera_does(repository: Path) -> None:
    (row,) = (r for r in rows(repository, "Projection of point clouds") if "rotation`" in r[0])
    quaternion = tuple(map(float, re.findall(r"`\[([^]]*)\]`", row[3])[0].split(",")))
    rotation = matrix((0, 0, 0), quaternion)[:3, :3]
    forward, left, up = np.eye(3)  # of a LiDAR by REP 103
    np.testing.assert_allclose(rotation @ forward, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(rotation @ left, [-1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(rotation @ up, [0, -1, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("heading", "table", "elsewhere"),
    [
        (
            "Parameters",
            CompletionParameters,
            {entry.metadata["name"] for entry in fields(CloudParameters)} - {"filter_occluded"},
        ),
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
