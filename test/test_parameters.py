from __future__ import annotations

from array import array
from dataclasses import dataclass, fields

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from starrygazer_ros import parameters
from starrygazer_ros.parameters import EXPLAINED, Parameters, When, changed, parameter


@dataclass(frozen=True)
class Table(Parameters):
    """One parameter of each kind, two of which depend on each other."""

    nearest: float = parameter(
        "range.min", 1.0, "Nearest range [m].", When.RUNNING, limits=(0.0, 10.0)
    )
    farthest: float = parameter(
        "range.max", 5.0, "Farthest range [m].", When.RUNNING, limits=(0.0, 10.0)
    )
    lines: int = parameter("lines", 16, "Scan lines.", When.CONFIGURE, limits=(1, 128))
    colour: str = parameter("colour", "red", "Colour.", When.RUNNING, choices=("red", "blue"))
    place: tuple[float, ...] = parameter("place", (1.0, 2.0), "Place [m].", When.RUNNING)
    autostart: bool = parameter("autostart", True, "Start at once.", When.START)

    def check_together(self):
        if self.nearest >= self.farthest:
            raise ValueError(f"range.min is below range.max, got {self.nearest}, {self.farthest}")


@pytest.fixture
def make_node():
    context = Context()
    rclpy.init(context=context)
    nodes = []

    def make(**overrides):
        named = [Parameter(name.replace("__", "."), value=v) for name, v in overrides.items()]
        node = Node("parameters", context=context, parameter_overrides=named)
        nodes.append(node)
        parameters.declare(node, Table)
        return node

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def change(unconfigured=False, before=None, **values):
    changes = [Parameter(name.replace("__", "."), value=v) for name, v in values.items()]
    return changed(before or Table(), changes, unconfigured)


def test_declares_what_it_reads(make_node):
    assert parameters.read(make_node(), Table) == Table()


def test_takes_overrides(make_node):
    values = parameters.read(make_node(range__min=0.0, lines=64, colour="blue"), Table)
    assert (values.nearest, values.lines, values.colour) == (0.0, 64, "blue")


def test_takes_an_integer_for_a_number_with_a_fraction(make_node):
    node = make_node(range__min=2)
    values = parameters.read(node, Table)
    assert values.nearest == 2.0
    assert isinstance(values.nearest, float)
    assert node.set_parameters([Parameter("range.min", value=3)])[0].successful
    assert change(range__min=3).nearest == 3.0
    for bad in (11, "1.0", True, None):
        with pytest.raises(ValueError, match=r"range\.min is"):
            change(range__min=bad)


@pytest.mark.parametrize("override", [{"range__min": 11}, {"range__min": "near"}])
def test_refuses_an_override_that_rclpy_lets_through_when_it_is_read(make_node, override):
    with pytest.raises(ValueError, match=r"range\.min is"):
        parameters.read(make_node(**override), Table)


def test_refuses_overrides_that_do_not_go_together(make_node):
    with pytest.raises(ValueError, match=r"below range\.max"):
        parameters.read(make_node(range__min=6.0), Table)


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


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"colour": "green"}, "colour is one of red, blue"),
        ({"lines": 0}, "lines is from 1 to 128"),
        ({"nearest": float("nan")}, "range.min is from 0"),
        ({"lines": 2.0}, "lines is a int"),
        ({"nearest": 5.0}, "range.min is below range.max"),
    ],
)
def test_refuses_values_with_a_reason(values, part):
    with pytest.raises(ValueError, match=part):
        Table(**values)


def test_a_parameter_of_configure_changes_while_unconfigured_only():
    assert change(unconfigured=True, lines=32).lines == 32
    with pytest.raises(ValueError, match="lines takes effect on configure: deactivate and clean"):
        change(lines=32)


def test_a_parameter_of_the_start_never_changes():
    with pytest.raises(ValueError, match="autostart is read at start"):
        change(unconfigured=True, autostart=False)


def test_setting_what_is_set_already_is_no_change():
    assert change(lines=16, autostart=True, colour="blue") == Table(colour="blue")


def test_checks_the_set_that_results_and_not_one_change_after_the_other():
    assert change(range__min=7.0, range__max=9.0) == Table(nearest=7.0, farthest=9.0)
    assert change(range__max=9.0, range__min=7.0) == Table(nearest=7.0, farthest=9.0)
    with pytest.raises(ValueError, match=r"below range\.max, got 7\.0, 5\.0"):
        change(range__min=7.0)
    with pytest.raises(ValueError, match="colour"):
        change(range__min=2.0, colour="green")


def test_leaves_parameters_of_others_alone():
    assert change(use_sim_time=True) == Table()


@pytest.mark.parametrize("value", [[3.0, 4.0], [3, 4], (3.0, 4.0), array("d", [3.0, 4.0])])
def test_lists_of_numbers_are_tuples_of_floats(make_node, value):
    values = parameters.read(make_node(place=value), Table)
    assert values.place == (3.0, 4.0)
    assert {type(number) for number in values.place} == {float}
    assert change(place=value).place == (3.0, 4.0)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ([1.0], "place has 2 numbers, got .1.0."),
        ("1 2", "place is a list of 2 numbers"),
        (["1", "2"], "place is a list of 2 numbers"),
        ([True, False], "place is a list of 2 numbers"),
    ],
)
def test_refuses_other_lists(value, part):
    with pytest.raises(ValueError, match=part):
        change(place=value)
