from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from recordings import START, transform
from starrygazer_ros.bags.transforms import RecordedTransforms
from starrygazer_ros.transforms import TransformError, matrix

SECOND = 10**9
QUARTER = (0.0, 0.0, 0.5**0.5, 0.5**0.5)


@pytest.fixture
def transforms():
    """A LiDAR and a camera on a vehicle that drives 10 m/s and turns a quarter in a second."""
    made = RecordedTransforms()
    made.add(transform(0, "base", "lidar", (1, 0, 2)), static=True)
    made.add(transform(0, "base", "/camera", (1, 0, 1), QUARTER), static=True)
    made.add(transform(START, "odom", "base", (0, 0, 0)), static=False)
    made.add(transform(START + SECOND, "odom", "base", (10, 0, 0), QUARTER), static=False)
    return made


def test_static_transforms_hold_at_all_times_and_go_through_the_common_frame(transforms):
    expected = np.linalg.inv(matrix((1, 0, 1), QUARTER)) @ matrix((1, 0, 2), (0, 0, 0, 1))
    for stamp in (0, START, START + 100 * SECOND):
        np.testing.assert_allclose(
            transforms.lookup("camera", "lidar", stamp, 0), expected, atol=1e-12
        )


def test_between_two_stamps_a_frame_moves_and_turns_evenly(transforms):
    half = transforms.lookup("odom", "base", START + SECOND // 2, 0)
    eighth = (0.0, 0.0, np.sin(np.pi / 8), np.cos(np.pi / 8))
    np.testing.assert_allclose(half, matrix((5, 0, 0), eighth), atol=1e-9)
    back = transforms.lookup("base", "odom", START + SECOND // 2, 0)
    np.testing.assert_allclose(back @ half, np.eye(4), atol=1e-9)


def test_at_a_recorded_stamp_it_is_the_recorded_one(transforms):
    for stamp, expected in ((START, matrix((0, 0, 0), (0, 0, 0, 1))), (START + SECOND, None)):
        expected = matrix((10, 0, 0), QUARTER) if expected is None else expected
        found = transforms.lookup("odom", "base", stamp, 0)
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("stamp", [START - 1, START + SECOND + 1])
def test_outside_of_the_recording_nothing_is_guessed(transforms, stamp):
    with pytest.raises(TransformError, match="/tf says nothing of 'base' in 'odom' at"):
        transforms.lookup("odom", "lidar", stamp, 0)


def test_a_frame_is_in_its_own_place(transforms):
    np.testing.assert_array_equal(transforms.lookup("radar", "radar", START, 0), np.eye(4))


def test_frames_that_nothing_connects_are_named(transforms):
    with pytest.raises(TransformError, match="base, camera, lidar, odom"):
        transforms.lookup("camera", "radar", START, 0)
    with pytest.raises(TransformError, match="the cloud has no frame_id"):
        transforms.lookup("camera", "", START, 0)


def test_of_two_parents_the_last_counts(transforms):
    transforms.add(transform(0, "mast", "lidar", (0, 0, 9)), static=True)
    assert transforms.lookup("mast", "lidar", START, 0)[2, 3] == 9
    with pytest.raises(TransformError, match="no transform"):
        transforms.lookup("base", "lidar", START, 0)


def test_frames_in_a_circle_are_an_error_and_no_endless_loop():
    circle = RecordedTransforms()
    circle.add(transform(0, "a", "b"), static=True)
    circle.add(transform(0, "b", "a"), static=True)
    with pytest.raises(TransformError, match="no transform"):
        circle.lookup("c", "a", START, 0)


def test_transforms_that_come_late_or_twice_are_sorted_by_stamp():
    made = RecordedTransforms()
    for second in (2, 0, 1, 1):
        made.add(transform(START + second * SECOND, "odom", "base", (second, 0, 0)), static=False)
    made.add(transform(START + 2 * SECOND, "odom", "base", (4, 0, 0)), static=False)
    for after, x in ((0, 0), (0.5, 0.5), (1, 1), (1.5, 2.5), (2, 4)):
        found = made.lookup("odom", "base", START + round(after * SECOND), 0)
        assert found[0, 3] == pytest.approx(x)


def test_over_a_long_gap_nothing_is_guessed():
    made = RecordedTransforms()
    for second in (0, 5, 3600):
        made.add(transform(START + second * SECOND, "odom", "base", (second, 0, 0)), static=False)
    assert made.lookup("odom", "base", START + 2 * SECOND, 0)[0, 3] == pytest.approx(2)
    assert made.lookup("odom", "base", START + 3600 * SECOND, 0)[0, 3] == 3600
    with pytest.raises(TransformError, match="has a gap of more than 10 s"):
        made.lookup("odom", "base", START + 60 * SECOND, 0)


def test_a_frame_that_gets_another_parent_keeps_its_past():
    made = RecordedTransforms()
    for second in (0, 1):
        made.add(transform(START + second * SECOND, "odom", "base", (second, 0, 0)), static=False)
    made.add(transform(START + 2 * SECOND, "map", "base", (9, 0, 0)), static=False)
    assert made.lookup("odom", "base", START + SECOND // 2, 0)[0, 3] == pytest.approx(0.5)
    assert made.lookup("map", "base", START + 2 * SECOND, 0)[0, 3] == 9


@pytest.mark.parametrize(
    ("translation", "rotation"),
    [
        ((0, 0, 0), (0, 0, 0, 0)),
        ((0, 0, 0), (0, 0, 0, np.nan)),
        ((0, 0, 0), (0, 0, 0, 2)),
        ((np.inf, 0, 0), (0, 0, 0, 1)),
    ],
)
def test_what_is_no_pose_is_refused(transforms, translation, rotation):
    with pytest.raises(TransformError, match="from 'lidar' to 'base' is no pose"):
        transforms.add(transform(START, "base", "lidar", translation, rotation), static=True)
    assert transforms.lookup("base", "lidar", START, 0)[2, 3] == 2


def test_a_bag_without_transforms_says_so():
    with pytest.raises(TransformError, match="the bag has no /tf and no /tf_static; give it by"):
        RecordedTransforms().lookup("camera", "lidar", START, 0)
