from __future__ import annotations

from dataclasses import fields

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from starrygazer_ros.projection_parameters import ProjectionParameters

MOVING = {"sweeps_count": 3, "sweeps_fixed_frame": "odom"}


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ({"extrinsics_source": "file"}, "extrinsics.source is one of tf, parameter"),
        ({"extrinsics_translation": (1.0, 2.0)}, "extrinsics.translation has 3 numbers"),
        ({"extrinsics_translation": "1 2 3"}, "extrinsics.translation is a list of 3 numbers"),
        ({"extrinsics_translation": (1.0, 2.0, float("nan"))}, "translation is finite"),
        ({"extrinsics_rotation": (0.0, 0.0, 0.0, 0.0)}, "of length 1, got length 0"),
        ({"extrinsics_rotation": (0.0, 0.0, 0.0, float("nan"))}, "of length 1"),
        ({"range_min": -1.0}, "range.min is from 0"),
        ({"range_min": 5.0, "range_max": 5.0}, "range.max .5. is 0 or more than range.min .5."),
        ({"sweeps_count": 0}, "sweeps.count is from 1"),
        ({"sweeps_count": 2}, "need sweeps.fixed_frame"),
        ({"sweeps_compensate_motion": True}, "need sweeps.fixed_frame"),
        ({**MOVING, "extrinsics_source": "parameter"}, "with extrinsics.source tf only"),
    ],
)
def test_refuses_values_with_a_reason(override, part):
    with pytest.raises(ValueError, match=part):
        ProjectionParameters(**override)


def test_accepts_what_goes_together():
    ProjectionParameters(range_min=5.0)
    ProjectionParameters(range_min=5.0, range_max=80.0)
    ProjectionParameters(**MOVING, sweeps_compensate_motion=True)
    ProjectionParameters(extrinsics_rotation=(0.5, -0.5, 0.5, -0.501))


def test_every_parameter_has_a_name_of_its_own_and_a_sentence():
    names = [entry.metadata["name"] for entry in fields(ProjectionParameters)]
    assert len(names) == len(set(names))
    for entry in fields(ProjectionParameters):
        assert entry.metadata["description"].endswith(".")
