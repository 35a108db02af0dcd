from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from recordings import START, transform
from starrygazer_ros.bags.passes import Moment
from starrygazer_ros.bags.transforms import RecordedTransforms
from starrygazer_ros.transforms import TransformError, matrix

SECOND = 10**9
QUARTER = (0.0, 0.0, 0.5**0.5, 0.5**0.5)


@pytest.fixture
def transforms():
    """A LiDAR and a camera on a vehicle that drives 10 m/s and turns a quarter in a second."""
    made = RecordedTransforms(Moment())
    made.add(transform(0, "base", "lidar", (1, 0, 2)), static=True, recorded=0)
    made.add(transform(0, "base", "/camera", (1, 0, 1), QUARTER), static=True, recorded=0)
    made.add(transform(START, "odom", "base", (0, 0, 0)), static=False, recorded=0)
    made.add(
        transform(START + SECOND, "odom", "base", (10, 0, 0), QUARTER), static=False, recorded=0
    )
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
    transforms.add(transform(0, "mast", "lidar", (0, 0, 9)), static=True, recorded=0)
    assert transforms.lookup("mast", "lidar", START, 0)[2, 3] == 9
    with pytest.raises(TransformError, match="no transform"):
        transforms.lookup("base", "lidar", START, 0)


def test_frames_in_a_circle_are_an_error_and_no_endless_loop():
    circle = RecordedTransforms(Moment())
    circle.add(transform(0, "a", "b"), static=True, recorded=0)
    circle.add(transform(0, "b", "a"), static=True, recorded=0)
    with pytest.raises(TransformError, match="no transform"):
        circle.lookup("c", "a", START, 0)


def test_transforms_that_come_late_or_twice_are_sorted_by_stamp():
    made = RecordedTransforms(Moment())
    for second in (2, 0, 1, 1):
        made.add(
            transform(START + second * SECOND, "odom", "base", (second, 0, 0)),
            static=False,
            recorded=0,
        )
    made.add(transform(START + 2 * SECOND, "odom", "base", (4, 0, 0)), static=False, recorded=0)
    for after, x in ((0, 0), (0.5, 0.5), (1, 1), (1.5, 2.5), (2, 4)):
        found = made.lookup("odom", "base", START + round(after * SECOND), 0)
        assert found[0, 3] == pytest.approx(x)


def test_over_a_long_gap_nothing_is_guessed():
    made = RecordedTransforms(Moment())
    for second in (0, 5, 3600):
        made.add(
            transform(START + second * SECOND, "odom", "base", (second, 0, 0)),
            static=False,
            recorded=0,
        )
    assert made.lookup("odom", "base", START + 2 * SECOND, 0)[0, 3] == pytest.approx(2)
    assert made.lookup("odom", "base", START + 3600 * SECOND, 0)[0, 3] == 3600
    with pytest.raises(TransformError, match="has a gap of more than 10 s"):
        made.lookup("odom", "base", START + 60 * SECOND, 0)


def test_a_frame_that_gets_another_parent_keeps_its_past():
    made = RecordedTransforms(Moment())
    for second in (0, 1):
        made.add(
            transform(START + second * SECOND, "odom", "base", (second, 0, 0)),
            static=False,
            recorded=0,
        )
    made.add(transform(START + 2 * SECOND, "map", "base", (9, 0, 0)), static=False, recorded=0)
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
        transforms.add(
            transform(START, "base", "lidar", translation, rotation), static=True, recorded=0
        )
    assert transforms.lookup("base", "lidar", START, 0)[2, 3] == 2


def test_a_bag_without_transforms_says_so():
    with pytest.raises(TransformError, match="the bag has no /tf and no /tf_static; give it by"):
        RecordedTransforms(Moment()).lookup("camera", "lidar", START, 0)


class Looped:
    """Two passes of 10 s, in the second of which all is 100 m further; now is settable."""

    def __init__(self):
        self.moment = Moment()
        self.transforms = RecordedTransforms(self.moment)
        for recorded in range(20):
            stamp, x = recorded % 10, recorded % 10 + 100 * (recorded >= 10)
            self.transforms.add(
                transform(START + stamp * SECOND, "odom", "base", (x, 0, 0)),
                static=False,
                recorded=recorded * SECOND,
            )

    def x(self, stamp, now):
        self.moment.now = round(now * SECOND)
        return self.transforms.lookup("odom", "base", START + round(stamp * SECOND), 0)[0, 3]


def test_where_time_goes_back_each_pass_has_its_own_transforms():
    looped = Looped()
    assert looped.x(4.5, now=4.6) == pytest.approx(4.5)
    assert looped.x(4.5, now=14.6) == pytest.approx(104.5)
    assert looped.x(0, now=10.1) == pytest.approx(100)


def test_after_time_went_back_those_of_before_are_not_used():
    looped = Looped()
    assert looped.x(8.5, now=9.8) == pytest.approx(8.5)  # late
    looped.transforms.clear()
    assert looped.x(0.5, now=9.9) == pytest.approx(100.5)  # the transforms come a little later
    looped.moment.since = 25 * SECOND
    with pytest.raises(TransformError, match="/tf says nothing of 'base' in 'odom'"):
        looped.x(4.5, now=25)


def test_another_pass_is_not_used_where_the_recording_has_a_gap():
    moment = Moment()
    made = RecordedTransforms(moment)
    for recorded, stamp in enumerate((5, 6, 7, 0, 1, 2)):
        entry = transform(START + stamp * SECOND, "odom", "base", (recorded, 0, 0))
        made.add(entry, static=False, recorded=10 * recorded * SECOND)
    moment.now = SECOND
    with pytest.raises(TransformError, match="its recording begins later"):
        made.lookup("odom", "base", START + SECOND, 0)


def test_of_static_transforms_the_last_that_was_recorded_by_then_counts():
    moment = Moment()
    made = RecordedTransforms(moment)
    for recorded in (10, 20):  # the LiDAR was moved in mid bag
        entry = transform(START, "base", "lidar", (recorded, 0, 0))
        made.add(entry, static=True, recorded=recorded)
    for now, x in ((0, 10), (10, 10), (19, 10), (20, 20), (99, 20)):
        moment.now = now
        assert made.lookup("base", "lidar", START, 0)[0, 3] == x


def test_a_frame_that_gets_another_static_parent_has_the_former_one_until_then():
    moment = Moment()
    made = RecordedTransforms(moment)
    made.add(transform(START, "base", "lidar", (1, 0, 0)), static=True, recorded=10)
    made.add(transform(START, "mast", "lidar", (2, 0, 0)), static=True, recorded=20)
    for now, parent, other in ((0, "base", "mast"), (19, "base", "mast"), (20, "mast", "base")):
        moment.now = now
        assert made.lookup(parent, "lidar", START, 0)[0, 3] in (1, 2)
        with pytest.raises(TransformError, match="no transform"):
            made.lookup(other, "lidar", START, 0)
