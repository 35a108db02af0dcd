"""LiDAR points become sparse depth."""

from __future__ import annotations

import numpy as np
import pytest

from rays import INTRINSICS, scan
from starrygazer_ros.completion.cameras import Camera, raw_camera, rectified_camera
from starrygazer_ros.completion.geometry import Intrinsics
from starrygazer_ros.completion.projection import moved, project

SMALL = Camera(Intrinsics(fx=10.0, fy=10.0, cx=8.0, cy=4.0, width=17, height=9))
HERE = np.eye(4)
CAMERA = Camera(INTRINSICS)
# x forward, y left, z up to x right, y down, z forward.
OPTICAL = np.array([[0.0, -1, 0, 0.06], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]])


def random_points(number: int, dtype: type = np.float32) -> np.ndarray:
    """Points all around a LiDAR with x forward."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(number, 3)) * (1, 1, 0.2)
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    return (directions * rng.uniform(1, 60, (number, 1))).astype(dtype)


def test_a_point_lands_at_its_pixel_with_its_depth_along_the_axis():
    result = project(np.array([[1.0, -0.5, 5.0]], np.float32), SMALL, HERE)
    expected = np.zeros((9, 17), np.float32)
    expected[3, 10] = 5
    assert result.depth.dtype == np.float32
    np.testing.assert_array_equal(result.depth, expected)
    assert (result.points, result.in_range, result.in_image, result.pixels) == (1, 1, 1, 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("absurd", [2e5, 1e30, 1e300, np.inf])
def test_a_point_farther_than_any_lidar_reaches_is_none(absurd):
    points = np.array([[1.0, -0.5, 5.0], [0, 0, absurd], [absurd, 0, 1]])
    result = project(points, SMALL, HERE)
    assert result.pixels == result.in_image == 1


@pytest.mark.filterwarnings("error")
def test_an_image_of_one_pixel_has_no_edges():
    tiny = Camera(Intrinsics(fx=10.0, fy=10.0, cx=0.0, cy=0.0, width=1, height=1))
    assert project(np.array([[0, 0, 1e-3 + 1e-9], [0, 0, 1.0]]), tiny, HERE).pixels == 1


def test_pixel_centres_are_at_integers_and_the_image_ends_half_a_pixel_beyond():
    for u, column in ((-0.6, None), (-0.4, 0), (0.4, 0), (0.6, 1), (16.4, 16), (16.6, None)):
        depth = project(np.array([[(u - 8) / 10, 0, 1]]), SMALL, HERE).depth
        assert np.nonzero(depth)[1].tolist() == ([] if column is None else [column])


@pytest.mark.parametrize("order", [(2.0, 7.0), (7.0, 2.0), (2.0, 2.0)])
def test_the_nearest_of_a_pixel_wins(order):
    points = np.array([[0, 0, z] for z in order], np.float32)
    result = project(points, SMALL, HERE)
    assert result.depth[4, 8] == 2
    assert (result.in_image, result.pixels) == (2, 1)


def test_equals_a_loop_over_the_points():
    points = random_points(5000, np.float64)
    expected = np.zeros((375, 1242))
    for point in np.c_[points, np.ones(len(points))] @ OPTICAL.T:
        x, y, z, _ = point
        if z <= 0:
            continue
        u = round(x / z * INTRINSICS.fx + INTRINSICS.cx)
        v = round(y / z * INTRINSICS.fy + INTRINSICS.cy)
        if 0 <= u < 1242 and 0 <= v < 375 and (not expected[v, u] or z < expected[v, u]):
            expected[v, u] = z
    assert np.count_nonzero(expected) > 300
    result = project(points, CAMERA, OPTICAL, filter_occluded=False)
    np.testing.assert_allclose(result.depth, expected, rtol=1e-6)
    assert result.hidden == 0
    single = project(points.astype(np.float32), CAMERA, OPTICAL, filter_occluded=False)
    assert np.mean((single.depth > 0) == (expected > 0)) > 0.99999


def test_the_range_is_measured_from_where_the_points_were():
    points = np.array([[1, 0, 0], [2, 0, 0], [3, 0, 0], [0, 0, 0]], np.float32)
    limits = {"nearest": 1.5, "farthest": 2.5}
    # The camera stands 10 m behind the LiDAR.
    extrinsics = OPTICAL.copy()
    extrinsics[:3, 3] = 0, 0, 10
    result = project(points, CAMERA, extrinsics, **limits)
    assert result.in_range == 1
    assert result.depth.max() == 12
    moved_origins = np.tile(np.array([1.0, 0, 0], np.float32), (4, 1))
    result = project(points, CAMERA, extrinsics, **limits, origins=moved_origins)
    assert result.in_range == 1
    assert result.depth.max() == 13


@pytest.mark.parametrize(
    "point", [(0, 0, 0), (np.nan, 1, 1), (np.inf, 0, 0), (0, 0, -np.inf), (1e30, 1e30, 1e30)]
)
def test_what_did_not_return_is_no_point(point):
    extrinsics = OPTICAL.copy()
    extrinsics[:3, 3] = 0, 0, 10
    result = project(np.array([point, (5, 0, 0)], np.float32), CAMERA, extrinsics)
    assert (result.points, result.in_range, result.pixels) == (2, 1, 1)


def test_nothing_behind_the_camera_or_in_it_is_projected():
    points = np.array([[0, 0, -3], [0, 0, 0.0005], [0.1, 0, 0]], np.float32)
    assert project(points, SMALL, HERE).in_image == 0


def test_no_points_are_an_empty_depth_image():
    result = project(np.empty((0, 3), np.float32), CAMERA, OPTICAL)
    assert result.depth.shape == (375, 1242)
    assert result.pixels == result.points == 0


def test_points_may_lie_in_a_wider_array():
    points = random_points(1000)
    wide = np.zeros((1000, 6), np.float32)
    wide[:, 1:4] = points
    np.testing.assert_array_equal(
        project(wide[:, 1:4], CAMERA, OPTICAL).depth, project(points, CAMERA, OPTICAL).depth
    )


def test_the_second_camera_of_a_stereo_pair_sees_from_its_own_place():
    projection = np.array([[10.0, 0, 8, -5], [0, 10, 4, 0], [0, 0, 1, 0]])
    depth = project(np.array([[0.5, 0, 4.0]]), rectified_camera(projection, 17, 9), HERE).depth
    assert np.argwhere(depth).tolist() == [[4, 8]]


def test_the_fold_of_a_lens_brings_nothing_into_the_image():
    camera = raw_camera(INTRINSICS, "plumb_bob", (-0.37, 0, 0, 0, 0))
    around = np.deg2rad(np.arange(0, 360, 5))
    # 65 degrees off the axis: the polynomial itself would put them at its middle.
    points = np.stack([np.cos(around) * 2.1, np.sin(around) * 2.1, np.ones_like(around)], -1)
    assert project(points, camera, HERE).in_image == 0


def test_background_seen_past_edges_is_left_out_and_counted():
    measured = scan((0.3, 0.0, 0.0))
    kept = project(measured.points, CAMERA, measured.frame_from_lidar, filter_occluded=False)
    result = project(measured.points, CAMERA, measured.frame_from_lidar)
    assert result.hidden == kept.pixels - result.pixels > 200
    assert result.hidden < 0.03 * kept.pixels
    same = result.depth > 0
    np.testing.assert_array_equal(result.depth[same], kept.depth[same])


def test_several_origins_are_respected():
    measured = scan((0.3, 0.0, 0.0))
    one = project(measured.points, CAMERA, measured.frame_from_lidar)
    # The same points in the camera's frame, with the place from which they were measured.
    points = moved(measured.points, measured.frame_from_lidar)
    origins = np.tile(measured.frame_from_lidar[:3, 3], (len(points), 1)).astype(np.float32)
    several = project(points, CAMERA, HERE, origins=origins)
    assert several.hidden == one.hidden
    assert project(points, CAMERA, HERE).hidden == 0  # as if the camera itself had measured


def test_moved_points_keep_their_type():
    points = random_points(10)
    assert moved(points, OPTICAL).dtype == np.float32
    np.testing.assert_allclose(
        moved(points, OPTICAL), (np.c_[points, np.ones(10)] @ OPTICAL.T)[:, :3], atol=1e-5
    )
