"""README's tables of topics and parameters against a running node."""

from __future__ import annotations

import re
from array import array

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.parameter import parameter_value_to_python

from integration.harness import NODE, wait_for

pytestmark = pytest.mark.integration
OF_EVERY_NODE = {"/rosout", "/parameter_events", f"/{NODE}/transition_event"}
PARAMETERS_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service", "qos_overrides")


def rows(repository, heading):
    """Cells of the table under a heading, without the two header lines."""
    section = (repository / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    table = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def as_yaml(value):
    python = parameter_value_to_python(value)
    return list(python) if isinstance(python, array) else python


def test_the_topic_table_has_every_topic_with_its_type(running, repository):
    _, peer = running

    def topics(of_node):
        found = {name: kinds[0].split("/")[-1] for name, kinds in of_node(NODE, "/")}
        return {name: kind for name, kind in found.items() if name not in OF_EVERY_NODE}

    documented = {"in": {}, "out": {}}
    for direction, name, kind, _ in rows(repository, "Topics"):
        topic = "/" + re.findall(r"`([^`]+)`", name)[0].lstrip("/")
        documented[direction][topic] = kind.split("/")[-1]
    for direction, of_node in (
        ("in", peer.node.get_subscriber_names_and_types_by_node),
        ("out", peer.node.get_publisher_names_and_types_by_node),
    ):
        wait_for(
            lambda d=direction, of=of_node: topics(of) == documented[d],
            f"{direction}: {documented[direction]}",
        )


def test_the_parameter_table_has_every_parameter_with_its_default(start_node, repository):
    _, peer = start_node(autostart="false")
    names = peer.services.call(
        ListParameters, "list_parameters", ListParameters.Request()
    ).result.names
    names = [name for name in names if not name.startswith(PARAMETERS_OF_EVERY_NODE)]
    request = GetParameters.Request(names=names)
    values = peer.services.call(GetParameters, "get_parameters", request).values
    running = {
        name: yaml.safe_dump(as_yaml(value), default_flow_style=True).split("\n")[0]
        for name, value in zip(names, values, strict=True)
    }
    documented = {
        row[0].strip("`"): row[1].strip("`")
        for heading in ("Projection of point clouds", "Parameters")
        for row in rows(repository, heading)
        if row[0].startswith("`")
    }
    # What this test's node was started with.
    started = {"qos.input_reliability": "reliable", "diagnostics.max_contradicted_share": "0.0"}
    documented.update(autostart="false", **started)
    assert running == documented
