"""Pinhole geometry: scaling of intrinsics and back-projection."""

from __future__ import annotations

import math

import numpy as np
import pytest

from starrygazer_ros.completion import Intrinsics, back_project, seen_by

CAMERA = Intrinsics(fx=500.0, fy=510.0, cx=319.5, cy=239.5, width=640, height=480)


def project(point: np.ndarray, camera: Intrinsics) -> tuple[float, float]:
    x, y, z = point
    return camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy


def test_back_projected_points_project_onto_their_pixels() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 20, (480, 640)).astype(np.float32)
    points = back_project(depth, CAMERA)
    assert points.shape == (480, 640, 3)
    assert points.dtype == np.float32
    for v, u in ((0, 0), (479, 639), (123, 456)):
        assert project(points[v, u], CAMERA) == pytest.approx((u, v), abs=1e-3)
        assert points[v, u, 2] == depth[v, u]


def test_an_image_of_another_size_shows_a_point_at_the_same_place() -> None:
    scaled = CAMERA.scaled(height=120, width=320)
    u, v = project(np.array([0.4, -0.3, 2.0]), CAMERA)
    assert project(np.array([0.4, -0.3, 2.0]), scaled) == pytest.approx(
        ((u + 0.5) / 2 - 0.5, (v + 0.5) / 4 - 0.5)
    )
    assert (scaled.width, scaled.height) == (320, 120)
    assert CAMERA.scaled(CAMERA.height, CAMERA.width) == CAMERA


def test_every_third_pixel_is_that_of_the_whole_image() -> None:
    third = CAMERA.subsampled(3)
    assert (third.width, third.height) == (214, 160)
    u, v = project(np.array([0.4, -0.3, 2.0]), CAMERA)
    assert project(np.array([0.4, -0.3, 2.0]), third) == pytest.approx((u / 3, v / 3))


def test_unknown_depth_stays_unknown() -> None:
    depth = np.full((480, 640), 2.0, np.float32)
    depth[10, 20] = np.nan
    points = back_project(depth, CAMERA)
    assert np.isnan(points[10, 20]).all()
    assert np.isfinite(np.delete(points.reshape(-1, 3), 10 * 640 + 20, axis=0)).all()


def test_back_projection_into_a_part_of_a_larger_array_leaves_the_rest() -> None:
    depth = np.random.default_rng(1).uniform(1, 9, (480, 640)).astype(np.float32)
    larger = np.full((480, 640, 4), 7, np.float32)
    returned = back_project(depth, CAMERA, out=larger[..., :3])
    assert np.shares_memory(returned, larger)
    assert np.array_equal(larger[..., :3], back_project(depth, CAMERA))
    assert (larger[..., 3] == 7).all()


def test_back_projection_refuses_intrinsics_of_another_size() -> None:
    with pytest.raises(ValueError, match="640x480"):
        back_project(np.ones((240, 320), np.float32), CAMERA)


@pytest.mark.parametrize("field", ["fx", "fy"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_refuses_an_uncalibrated_camera(field: str, value: float) -> None:
    values = {"fx": 500.0, "fy": 500.0, "cx": 1.0, "cy": 1.0, "width": 4, "height": 4}
    with pytest.raises(ValueError, match="calibrated"):
        Intrinsics(**{**values, field: value})  # type: ignore[arg-type]


def test_sparse_depth_keeps_its_place_in_another_camera() -> None:
    depth = np.zeros((480, 640), np.float32)
    depth[121, 201] = 3.0
    depth[477, 637] = 4.0
    depth[10, 20] = np.nan
    small = CAMERA.scaled(height=160, width=214)
    seen = seen_by(depth, CAMERA, small)
    assert (seen.shape, seen.dtype) == ((160, 214), np.float32)
    # The centre of every third pixel lies on that of a small one, nearly so in the columns.
    points = {(int(v), int(u)): float(seen[v, u]) for v, u in np.argwhere(seen)}
    assert points == {(40, 67): 3.0, (159, 213): 4.0}


def test_of_two_points_in_a_pixel_the_nearest_stays() -> None:
    depth = np.zeros((480, 640), np.float32)
    depth[100, 100:104] = [9.0, 2.0, 5.0, 7.0]
    small = CAMERA.scaled(height=48, width=64)
    seen = seen_by(depth, CAMERA, small)
    assert seen[seen > 0].tolist() == [2.0]


def test_points_beyond_the_other_image_are_left_out() -> None:
    depth = np.full((480, 640), 2.0, np.float32)
    narrow = Intrinsics(fx=1000.0, fy=1020.0, cx=319.5, cy=239.5, width=640, height=480)
    seen = seen_by(depth, CAMERA, narrow)
    assert np.count_nonzero(seen) == 320 * 240


def test_sparse_depth_of_another_size_than_its_camera_is_refused() -> None:
    with pytest.raises(ValueError, match="640x480"):
        seen_by(np.zeros((4, 4), np.float32), CAMERA, CAMERA)


@pytest.mark.filterwarnings("error")
def test_absurd_intrinsics_are_no_trouble() -> None:
    absurd = Intrinsics(fx=1e-300, fy=1e38, cx=0.0, cy=1.0, width=3, height=2)
    points = back_project(np.full((2, 3), 1e30, np.float32), absurd)
    assert np.isinf(points[:, 1:, 0]).all()
    assert (points[..., 2] == np.float32(1e30)).all()
