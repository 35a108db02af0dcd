from __future__ import annotations

import numpy as np
import pytest

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.demo.scan_lines import scan_lines

CAMERA = Intrinsics(fx=500, fy=500, cx=319.5, cy=239.5, width=640, height=480)


def depth() -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 9, (480, 640)).astype(np.float32)


def test_points_are_samples_of_the_dense_map() -> None:
    dense = depth()
    dense[:, :320] = 0
    sparse = scan_lines(dense, 16, CAMERA)
    assert sparse.dtype == np.float32
    assert np.array_equal(sparse[sparse > 0], dense[sparse > 0])
    assert sparse[:, 320:].any()
    assert not sparse[:, :320].any()


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
