from __future__ import annotations

from array import array
from dataclasses import fields

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from starrygazer_ros import declared_parameters
from starrygazer_ros.declared_parameters import EXPLAINED
from test_parameters import Table


@pytest.fixture
def make_node():
    context = Context()
    rclpy.init(context=context)
    nodes = []

    def make(**overrides):
        named = [Parameter(name.replace("__", "."), value=v) for name, v in overrides.items()]
        node = Node("parameters", context=context, parameter_overrides=named)
        nodes.append(node)
        declared_parameters.declare(node, Table)
        return node

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_declares_what_it_reads(make_node):
    assert declared_parameters.read(make_node(), Table) == Table()


def test_takes_overrides(make_node):
    values = declared_parameters.read(make_node(range__min=0.0, lines=64, colour="blue"), Table)
    assert (values.nearest, values.lines, values.colour) == (0.0, 64, "blue")


def test_takes_an_integer_for_a_number_with_a_fraction(make_node):
    node = make_node(range__min=2)
    values = declared_parameters.read(node, Table)
    assert values.nearest == 2.0
    assert isinstance(values.nearest, float)
    assert node.set_parameters([Parameter("range.min", value=3)])[0].successful


@pytest.mark.parametrize("override", [{"range__min": 11}, {"range__min": "near"}])
def test_refuses_an_override_that_rclpy_lets_through_when_it_is_read(make_node, override):
    with pytest.raises(ValueError, match=r"range\.min is"):
        declared_parameters.read(make_node(**override), Table)


def test_refuses_overrides_that_do_not_go_together(make_node):
    with pytest.raises(ValueError, match=r"below range\.max"):
        declared_parameters.read(make_node(range__min=6.0), Table)


@pytest.mark.parametrize(
    "override", [{"lines": 0}, {"range__min": -0.1}, {"lines": 2.0}, {"colour": 7}]
)
def test_refuses_overrides_out_of_range_or_of_another_type(make_node, override):
    with pytest.raises(ParameterException):
        make_node(**override)


def test_describes_every_parameter(make_node):
    node = make_node()
    for entry in fields(Table):
        descriptor = node.describe_parameter(entry.metadata["name"])
        assert descriptor.description == entry.metadata["description"]
        assert EXPLAINED[entry.metadata["when"]] in descriptor.additional_constraints
    assert node.describe_parameter("lines").integer_range[0].from_value == 1
    assert node.describe_parameter("range.min").floating_point_range[0].to_value == 10.0
    assert "one of red, blue" in node.describe_parameter("colour").additional_constraints
    assert node.describe_parameter("autostart").read_only
    assert not node.describe_parameter("lines").read_only


@pytest.mark.parametrize("value", [[3.0, 4.0], [3, 4], (3.0, 4.0), array("d", [3.0, 4.0])])
def test_lists_of_numbers_are_tuples_of_floats(make_node, value):
    values = declared_parameters.read(make_node(place=value), Table)
    assert values.place == (3.0, 4.0)
    assert {type(number) for number in values.place} == {float}
