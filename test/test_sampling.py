from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kitti_lines import hold_out_lines, line_indices
from benchmarks.sampling import random_points, scan_lines
from starrygazer_ros.completion import Intrinsics

CAMERA = Intrinsics(fx=500, fy=500, cx=319.5, cy=239.5, width=640, height=480)


def depth() -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 9, (480, 640)).astype(np.float32)


def test_points_are_samples_of_the_dense_map() -> None:
    dense = depth()

    for sparse in (scan_lines(dense, 16, CAMERA), random_points(dense, 500, seed=3)):
        assert sparse.dtype == np.float32
        assert np.array_equal(sparse[sparse > 0], dense[sparse > 0])


@pytest.mark.parametrize("lines", [4, 16, 64])
def test_each_column_crosses_each_scan_line_once(lines: int) -> None:
    sparse = scan_lines(depth(), lines, CAMERA, step_degrees=0.05)

    assert np.count_nonzero(sparse[:, 320]) == lines


def test_a_scan_line_has_constant_elevation() -> None:
    sparse = scan_lines(depth(), 2, CAMERA)
    v, u = np.nonzero(sparse)
    x, y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    elevation = np.rad2deg(np.arctan(y / np.hypot(1, x)))

    half_pixel = np.rad2deg(0.5 / CAMERA.fy)
    for line in (elevation[elevation < 0], elevation[elevation > 0]):
        assert np.ptp(line) <= 2.5 * half_pixel
    assert np.ptp(v[elevation < 0]) > 10  # so it is not a straight row


def test_scan_lines_spread_over_the_image() -> None:
    rows = np.flatnonzero(scan_lines(depth(), 4, CAMERA, step_degrees=0.05)[:, 320])

    np.testing.assert_allclose(rows, [60, 180, 300, 420], atol=1)


def test_points_of_a_line_have_the_angular_step() -> None:
    sparse = scan_lines(depth(), 1, CAMERA, step_degrees=1.0)
    field_of_view = 2 * np.rad2deg(np.arctan(320 / 500))

    assert np.count_nonzero(sparse) == pytest.approx(field_of_view, abs=1.5)


def test_sampling_skips_unknown_depth() -> None:
    dense = depth()
    dense[:, :320] = 0

    assert not scan_lines(dense, 16, CAMERA)[:, :320].any()
    assert not random_points(dense, 500, seed=0)[:, :320].any()


def test_random_points_are_as_many_as_asked_for() -> None:
    assert np.count_nonzero(random_points(depth(), 500, seed=0)) == 500


def test_random_points_of_a_poor_map_are_all_there_are() -> None:
    dense = np.zeros((48, 64), np.float32)
    dense[3, :7] = 2

    assert np.array_equal(random_points(dense, 500, seed=0), dense)


def test_the_seed_decides() -> None:
    first = random_points(depth(), 100, seed=1)

    assert np.array_equal(first, random_points(depth(), 100, seed=1))
    assert not np.array_equal(first, random_points(depth(), 100, seed=2))


# LiDAR at the camera: x forward, y left, z up -> camera x right, y down, z forward.
RECT_FROM_LIDAR = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
PROJECTION = np.array([[700, 0, 600, 40], [0, 700, 170, 0.2], [0, 0, 1, 0.003]])


def projected(elevations: list[float], heights: list[float]) -> np.ndarray:
    """One scan line per elevation at distances that vary along the line."""
    image = np.zeros((375, 1242), np.float32)
    for elevation, height in zip(elevations, heights, strict=True):
        azimuth = np.deg2rad(np.linspace(-35, 35, 700))
        distance = 10 + 8 * np.sin(9 * azimuth)
        z = height + distance * np.tan(np.deg2rad(elevation))
        points = np.stack(
            [distance * np.cos(azimuth), distance * np.sin(azimuth), z, np.ones_like(z)]
        )
        x, y, depth_ = PROJECTION @ RECT_FROM_LIDAR @ points
        u, v = np.rint(x / depth_).astype(int), np.rint(y / depth_).astype(int)
        inside = (u >= 0) & (u < 1242) & (v >= 0) & (v < 375)
        image[v[inside], u[inside]] = depth_[inside]
    return image


@pytest.mark.parametrize(
    ("elevation", "height", "line"), [(2.04, 0.20, 0), (-8.65, 0.20, 31), (-12.43, 0.115, 39)]
)
def test_kitti_points_are_assigned_to_their_laser(
    elevation: float, height: float, line: int
) -> None:
    image = projected([elevation], [height])
    lines = line_indices(image, PROJECTION, RECT_FROM_LIDAR)

    assert np.array_equal(lines >= 0, image > 0)
    assert np.count_nonzero(lines == line) >= 0.97 * np.count_nonzero(image)


def test_held_out_lines_are_whole_and_disjoint() -> None:
    image = projected([2.04, 1.67, 1.40, 0.97], [0.2] * 4)
    lines = np.where(image > 0, np.arange(375)[:, None] // 3, -1)

    kept, held_out = hold_out_lines(image, lines, keep_every=4)

    assert np.array_equal(kept + held_out, image)
    assert not set(lines[kept > 0]) & set(lines[held_out > 0])
    assert set(lines[kept > 0] % 4) == {2}
