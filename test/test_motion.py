"""Sweeps of a LiDAR that moves and turns."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from starrygazer_ros.completion.motion import Sweep, Trajectory, together
from starrygazer_ros.completion.projection import moved


def pose(turn: tuple[float, float, float], place: tuple[float, float, float]) -> np.ndarray:
    """Pose of axis times angle in radians and a translation."""
    matrix = np.eye(4)
    matrix[:3, :3] = cv2.Rodrigues(np.array(turn, float))[0]
    matrix[:3, 3] = place
    return matrix


HERE = pose((0, 0, 0), (0, 0, 0))


def points(number: int = 200, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(0).uniform(-20, 20, (number, 3)).astype(dtype)


def trajectory() -> Trajectory:
    """A curve of three poses."""
    return Trajectory(
        np.array([10.0, 10.1, 10.3]),
        np.stack(
            [
                pose((0.1, -0.2, 0.3), (1, 2, 3)),
                pose((0.1, -0.1, 0.5), (2, 2.5, 3)),
                pose((0.4, 0.2, 0.9), (3, 4, 2)),
            ]
        ),
    )


def test_at_its_times_a_trajectory_has_its_poses_and_holds_the_outer_ones():
    track = trajectory()
    for time, expected in zip(track.times, track.poses, strict=True):
        np.testing.assert_allclose(track.at(time), expected, atol=1e-12)
    np.testing.assert_allclose(track.at(9), track.poses[0], atol=1e-12)
    np.testing.assert_allclose(track.at(11), track.poses[-1], atol=1e-12)


@pytest.mark.parametrize("angle", [1e-12, 1e-6, 0.5, 3.0, np.pi])
def test_rotation_is_even_and_about_one_axis(angle):
    axis = np.array([0.6, 0.0, 0.8])
    track = Trajectory(np.array([0.0, 2.0]), np.stack([HERE, pose(tuple(angle * axis), (4, 0, 0))]))
    for share in (0.25, 0.5, 0.75):
        middle = track.at(2 * share)
        expected = cv2.Rodrigues(share * angle * axis)[0]
        if angle == np.pi:  # both ways round are as short
            middle[:3, :3] = (
                middle[:3, :3] if middle[1, 0] * expected[1, 0] > 0 else middle[:3, :3].T
            )
        np.testing.assert_allclose(middle[:3, :3], expected, atol=1e-7)
        np.testing.assert_allclose(middle[:3, 3], (4 * share, 0, 0), atol=1e-12)


def test_a_still_world_is_still_again_after_compensation():
    track = trajectory()
    world = points()
    times = np.random.default_rng(1).uniform(9.9, 10.4, len(world))
    measured = np.concatenate(
        [moved(p[None], np.linalg.inv(track.at(t))) for p, t in zip(world, times, strict=True)]
    )
    moment = 10.15
    expected = moved(world, np.linalg.inv(track.at(moment)))
    compensated = track.to_one_moment(measured, times, moment)
    np.testing.assert_allclose(compensated, expected, atol=1e-9)
    assert np.abs(measured - expected).max() > 1

    single = track.to_one_moment(measured.astype(np.float32), times, moment)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-4)


def test_one_pose_moves_nothing():
    track = Trajectory(np.array([5.0]), pose((0, 0, 1), (1, 2, 3))[None])
    here = points()
    compensated = track.to_one_moment(here, np.linspace(4, 6, len(here)), 5.5)
    np.testing.assert_allclose(compensated, here, atol=1e-12)


def test_points_without_time_are_lost():
    times = np.array([10.0, np.nan, 10.2])
    compensated = trajectory().to_one_moment(points(3), times, 10.0)
    assert np.isnan(compensated).any(axis=1).tolist() == [False, True, False]


def test_refuses_poses_that_are_no_trajectory():
    with pytest.raises(ValueError, match="increase"):
        Trajectory(np.array([1.0, 1.0]), np.stack([HERE, HERE]))
    with pytest.raises(ValueError, match="per time"):
        Trajectory(np.array([1.0, 2.0]), HERE[None])
    with pytest.raises(ValueError, match="per time"):
        Trajectory(np.empty(0), np.empty((0, 4, 4)))


def test_sweeps_lie_where_the_world_is_and_know_where_they_were_measured():
    world = points(dtype=np.float32)
    poses = [pose((0, 0, 0.1 * i), (i, -0.5 * i, 0.1)) for i in range(2)]
    sweeps = [Sweep(moved(world, np.linalg.inv(there)), there) for there in poses]
    gathered, origins = together(sweeps)
    assert gathered.shape == origins.shape == (400, 3)
    assert gathered.dtype == origins.dtype == np.float32
    for part in (gathered[:200], gathered[200:]):
        np.testing.assert_allclose(part, sweeps[-1].points, atol=1e-4)
    place = (np.linalg.inv(poses[1]) @ poses[0])[:3, 3]
    np.testing.assert_allclose(origins[:200], np.tile(place, (200, 1)), atol=1e-5)
    np.testing.assert_array_equal(origins[200:], 0)
