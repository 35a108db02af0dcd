from __future__ import annotations

from dataclasses import fields

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy

from starrygazer_ros import parameters
from starrygazer_ros.parameters import NodeParameters, check_change


@pytest.fixture
def make_node():
    context = Context()
    rclpy.init(context=context)
    nodes = []

    def make(**overrides):
        named = [Parameter(name.replace("__", "."), value=v) for name, v in overrides.items()]
        node = Node("parameters", context=context, parameter_overrides=named)
        nodes.append(node)
        parameters.declare(node)
        return node

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_declares_what_it_reads(make_node):
    assert parameters.read(make_node()) == NodeParameters()


def test_takes_overrides(make_node):
    values = parameters.read(make_node(sync__slop=0.0, threads=4, depth_encoding="16UC1"))
    assert (values.sync_slop, values.threads, values.depth_encoding) == (0.0, 4, "16UC1")


def test_takes_an_integer_for_a_number_with_a_fraction(make_node):
    node = make_node(sync__slop=1)
    values = parameters.read(node)
    assert values.sync_slop == 1.0
    assert isinstance(values.sync_slop, float)
    assert node.set_parameters([Parameter("sync.slop", value=2)])[0].successful
    assert check_change([Parameter("sync.slop", value=2)], unconfigured=True).successful
    for bad in (11, "1.0", True, None):
        assert not check_change([Parameter("sync.slop", value=bad)], unconfigured=True).successful


@pytest.mark.parametrize("override", [{"sync__slop": 11}, {"sync__slop": "near"}])
def test_refuses_an_integer_out_of_range_when_it_is_read(make_node, override):
    with pytest.raises(ValueError, match=r"sync\.slop is"):
        parameters.read(make_node(**override))


def test_describes_every_parameter(make_node):
    node = make_node()
    for parameter in fields(NodeParameters):
        descriptor = node.describe_parameter(parameter.metadata["name"])
        assert descriptor.description.endswith(".")
    assert node.describe_parameter("threads").integer_range[0].from_value == 1
    assert node.describe_parameter("sync.slop").floating_point_range[0].from_value == 0.0
    assert "16UC1" in node.describe_parameter("depth_encoding").additional_constraints
    assert node.describe_parameter("autostart").read_only


@pytest.mark.parametrize(
    "override", [{"threads": 0}, {"sync__slop": -0.1}, {"threads": 2.0}, {"model": 7}]
)
def test_refuses_overrides_out_of_range_or_of_another_type(make_node, override):
    with pytest.raises(ParameterException):
        make_node(**override)


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ({"depth_encoding": "8UC1"}, "depth_encoding is one of 32FC1, 16UC1"),
        ({"input_reliability": "maybe"}, "qos.input_reliability is one of"),
        ({"min_sparse_points": 0}, "min_sparse_points is from 1"),
        ({"sync_slop": float("nan")}, "sync.slop is from 0"),
        ({"threads": 2.0}, "threads is a int"),
    ],
)
def test_refuses_values_with_a_reason(override, part):
    with pytest.raises(ValueError, match=part):
        NodeParameters(**override)


def test_allows_changes_of_its_parameters_while_unconfigured_only():
    change = [Parameter("threads", value=3)]
    assert check_change(change, unconfigured=True).successful
    refused = check_change(change, unconfigured=False)
    assert not refused.successful
    assert "clean up" in refused.reason


def test_refuses_changes_with_a_reason():
    refused = check_change([Parameter("threads", value=0)], unconfigured=True)
    assert not refused.successful
    assert refused.reason.startswith("threads is from 1")


def test_leaves_parameters_of_others_alone():
    assert check_change([Parameter("use_sim_time", value=True)], unconfigured=False).successful


def test_gives_qos_by_name_and_depth():
    values = NodeParameters(input_reliability="reliable", input_depth=7)
    assert values.input_qos().reliability == ReliabilityPolicy.RELIABLE
    assert values.input_qos().depth == 7
    assert NodeParameters().input_qos().reliability == ReliabilityPolicy.BEST_EFFORT
    assert NodeParameters().output_qos().reliability == ReliabilityPolicy.RELIABLE
    assert NodeParameters().output_qos().depth == 1


def flatten(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_the_installed_parameters_file_lists_every_parameter_with_its_default(repository):
    text = (repository / "config" / "complete.yaml").read_text(encoding="utf-8")
    listed = dict(flatten(yaml.safe_load(text)["/**"]["ros__parameters"]))
    assert listed == {p.metadata["name"]: p.default for p in fields(NodeParameters)}
