from __future__ import annotations

from array import array
from dataclasses import dataclass

import pytest

from starrygazer_ros.parameters import Parameters, When, changed, parameter


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


@dataclass(frozen=True)
class Change:
    """As rclpy's Parameter."""

    name: str
    value: object


def change(unconfigured=False, before=None, **values):
    changes = [Change(name.replace("__", "."), value) for name, value in values.items()]
    return changed(before or Table(), changes, unconfigured)


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


def test_takes_an_integer_for_a_number_with_a_fraction():
    values = change(range__min=3)
    assert values.nearest == 3.0
    assert isinstance(values.nearest, float)
    for bad in (11, "1.0", True, None):
        with pytest.raises(ValueError, match=r"range\.min is"):
            change(range__min=bad)


@pytest.mark.parametrize("value", [[3.0, 4.0], [3, 4], (3.0, 4.0), array("d", [3.0, 4.0])])
def test_lists_of_numbers_are_tuples_of_floats(value):
    values = change(place=value)
    assert values.place == (3.0, 4.0)
    assert {type(number) for number in values.place} == {float}


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
