from __future__ import annotations

from dataclasses import fields

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from starrygazer_ros.completion_parameters import CompletionParameters
from starrygazer_ros.projection_parameters import ProjectionParameters


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ({"depth_encoding": "8UC1"}, "depth_encoding is one of 32FC1, 16UC1"),
        ({"input_reliability": "maybe"}, "qos.input_reliability is one of"),
        ({"min_sparse_points": 0}, "min_sparse_points is from 1"),
        ({"sync_slop": float("nan")}, "sync.slop is from 0"),
        ({"threads": 2.0}, "threads is a int"),
        ({"sparse_depth_transport": "points", "rectified": False}, "needs rectified true"),
        ({"sparse_depth_transport": "zip"}, "input.sparse_depth_transport is one of .*points"),
        ({"range_min": 5.0, "range_max": 3.0}, "range.max"),
        ({"extrinsics_rotation": (0.0, 0.0, 0.0, 0.0)}, "extrinsics.rotation is a quaternion"),
        ({"sweeps_count": 2}, "need sweeps.fixed_frame"),
    ],
)
def test_refuses_values_with_a_reason(override, part):
    with pytest.raises(ValueError, match=part):
        CompletionParameters(**override)


def test_every_parameter_has_a_name_of_its_own_and_a_sentence():
    names = [parameter.metadata["name"] for parameter in fields(CompletionParameters)]
    assert len(names) == len(set(names))
    for parameter in fields(CompletionParameters):
        assert parameter.metadata["description"].endswith(".")


def flatten(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", tuple(value) if isinstance(value, list) else value


def test_the_installed_parameters_file_lists_the_parameters_of_both_nodes_with_their_defaults(
    repository,
):
    text = (repository / "config" / "complete.yaml").read_text(encoding="utf-8")
    sections = yaml.safe_load(text)
    # One for all: a section of a node's own would win over what is given on the command line.
    assert list(sections) == ["/**"]
    listed = dict(flatten(sections["/**"]["ros__parameters"]))
    tables = CompletionParameters, ProjectionParameters
    defaults = [{e.metadata["name"]: e.default for e in fields(table)} for table in tables]
    assert listed == {**defaults[0], **defaults[1]}
    for name in defaults[0].keys() & defaults[1].keys():
        assert defaults[0][name] == defaults[1][name]
