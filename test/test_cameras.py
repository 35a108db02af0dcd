"""Projection with and without distortion, beside OpenCV's."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from starrygazer_ros.completion.cameras import (
    Camera,
    make_distortion,
    raw_camera,
    rectified_camera,
)
from starrygazer_ros.completion.geometry import Intrinsics

INTRINSICS = Intrinsics(fx=721.5, fy=718.0, cx=609.6, cy=172.9, width=1242, height=375)
MATRIX = np.array([[721.5, 0, 609.6], [0, 718.0, 172.9], [0, 0, 1]])
PLUMB_BOB = (-0.3691481, 0.1968681, 0.001353473, 0.0005677587, -0.06770705)
RATIONAL = (0.3, -1.2, 0.0004, -0.0002, 0.7, 0.2, -1.1, 0.6)
EQUIDISTANT = (-0.02, 0.004, -0.003, 0.0006)


def points_in_view(angle: float, dtype: type = np.float64) -> np.ndarray:
    """Points up to an angle in degrees from the optical axis."""
    rng = np.random.default_rng(0)
    from_axis = np.deg2rad(rng.uniform(0, angle, 1000))
    around, depth = rng.uniform(0, 2 * np.pi, 1000), rng.uniform(0.5, 80, 1000)
    r = np.tan(from_axis)
    points = np.stack([r * np.cos(around), r * np.sin(around), np.ones(1000)], -1)
    return (points * depth[:, None]).astype(dtype)


def opencv(points: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    zero = np.zeros(3)
    return cv2.projectPoints(points, zero, zero, MATRIX, np.array(coefficients))[0][:, 0]


@pytest.mark.parametrize(
    ("model", "coefficients", "angle"),
    [
        ("pinhole", (), 80),
        ("plumb_bob", (), 80),
        ("plumb_bob", (0.0,) * 5, 80),
        ("plumb_bob", PLUMB_BOB[:4], 40),
        ("plumb_bob", PLUMB_BOB, 40),
        ("rational_polynomial", RATIONAL, 40),
        ("rational_polynomial", (*RATIONAL, 0.0, 0.0, 0.0, 0.0), 40),
    ],
)
def test_projects_like_opencv(model, coefficients, angle):
    points = points_in_view(angle)
    pixels = raw_camera(INTRINSICS, model, coefficients).project(points)
    np.testing.assert_allclose(pixels, opencv(points, coefficients), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("coefficients", [EQUIDISTANT, (0.0, 0.0, 0.0, 0.0)])
def test_projects_like_opencv_fisheye(coefficients):
    points = points_in_view(85)
    points[0] = 0, 0, 3
    zero = np.zeros(3)
    expected = cv2.fisheye.projectPoints(
        points[:, None], zero, zero, MATRIX, np.array(coefficients)
    )
    pixels = raw_camera(INTRINSICS, "equidistant", coefficients).project(points)
    np.testing.assert_allclose(pixels, expected[0][:, 0], rtol=1e-9, atol=1e-6)


def test_single_precision_is_kept_and_is_good_enough_for_pixels():
    points = points_in_view(40, np.float32)
    pixels = raw_camera(INTRINSICS, "plumb_bob", PLUMB_BOB).project(points)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, opencv(points.astype(float), PLUMB_BOB), atol=2e-3)


def test_projects_nothing_that_is_not_in_front_of_the_camera():
    points = np.array([[0, 0, -1], [0, 0, 0], [1, 1, -5], [np.nan, 0, 1], [0, 0, np.nan]])
    for model, coefficients in (("pinhole", ()), ("equidistant", EQUIDISTANT)):
        pixels = raw_camera(INTRINSICS, model, coefficients).project(points)
        assert np.isnan(pixels).any(axis=1).all()


def turning_point(model: str, coefficients: tuple[float, ...]) -> float:
    """Angle in degrees from which on OpenCV's radius shrinks, by brute force."""
    angles = np.linspace(0, 89.9, 9000)
    tangents = np.tan(np.deg2rad(angles))
    points = np.stack([tangents, np.zeros_like(tangents), np.ones_like(tangents)], -1)
    zero, identity = np.zeros(3), np.eye(3)
    if model == "equidistant":
        d = np.array(coefficients)
        x = cv2.fisheye.projectPoints(points[:, None], zero, zero, identity, d)[0][:, 0, 0]
    else:
        x = cv2.projectPoints(points, zero, zero, identity, np.array(coefficients))[0][:, 0, 0]
    return float(angles[np.argmax(np.diff(x) < 0)])


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("plumb_bob", (-0.37, 0.0, 0.0, 0.0, 0.0)),
        ("plumb_bob", (-0.3, 0.08, 0.0, 0.0, -0.01)),
        ("rational_polynomial", (0.1, -0.2, 0.0, 0.0, 0.01, 0.2, 0.05, 0.01)),
        ("equidistant", (-0.1, -0.05, 0.0, 0.0)),
    ],
)
def test_what_lies_beyond_the_turning_point_does_not_fold_into_the_image(model, coefficients):
    limit = turning_point(model, coefficients)
    assert 0 < limit < 89
    camera = raw_camera(INTRINSICS, model, coefficients)
    angles = np.deg2rad(np.array([limit - 0.1, limit + 0.1, (limit + 90) / 2, 89.9]))
    points = np.stack([np.sin(angles), np.zeros(4), np.cos(angles)], -1)
    assert np.isfinite(camera.project(points)).all(axis=1).tolist() == [True, False, False, False]


def test_a_pole_of_the_denominator_ends_the_range():
    # (1 + s) / (1 - s / 4) grows up to s = 4 and comes back from minus infinity.
    distortion = make_distortion("rational_polynomial", (1, 0, 0, 0, 0, -0.25, 0, 0))
    assert distortion is not None
    assert distortion.limit == pytest.approx(2)


def test_lenses_that_never_turn_back_have_no_limit():
    for model, coefficients in (("plumb_bob", (0.1, 0.01, 0, 0, 0)), ("equidistant", (0, 0, 0, 0))):
        distortion = make_distortion(model, coefficients)
        assert distortion is not None
        assert math.isinf(distortion.limit)


def test_zero_coefficients_are_no_distortion():
    assert make_distortion("plumb_bob", (0.0,) * 5) is None
    assert make_distortion("rational_polynomial", ()) is None


def test_the_projection_matrix_of_a_second_camera_moves_its_origin():
    projection = np.array(
        [[721.5, 0, 609.6, 44.9], [0, 718.0, 172.9, 0.2], [0, 0, 1, 0.0027]], np.float64
    )
    camera = rectified_camera(projection, 1242, 375)
    points = points_in_view(40)
    homogeneous = np.c_[points, np.ones(len(points))] @ projection.T
    moved = points @ camera.from_frame[:3, :3].T + camera.from_frame[:3, 3]
    np.testing.assert_allclose(moved[:, 2], homogeneous[:, 2], atol=1e-9)
    expected = homogeneous[:, :2] / homogeneous[:, 2:]
    np.testing.assert_allclose(camera.project(moved), expected, atol=1e-6)


def test_the_raw_camera_of_a_stereo_pair_is_rotated_back():
    rectification = cv2.Rodrigues(np.array([0.01, -0.02, 0.005]))[0]
    camera = raw_camera(INTRINSICS, "plumb_bob", PLUMB_BOB, rectification)
    points = points_in_view(35)
    raw = points @ camera.from_frame[:3, :3].T
    np.testing.assert_allclose(raw @ rectification.T, points, atol=1e-9)


@pytest.mark.parametrize(
    ("model", "coefficients", "part"),
    [
        ("thin_prism", (), "'thin_prism' is not known"),
        ("plumb_bob", (0.1, 0, 0, 0, 0, 0.2), "at most 5"),
        ("equidistant", (0.1,) * 5, "at most 4"),
        ("rational_polynomial", (0.1,) * 14, "at most 8"),
        ("plumb_bob", (math.nan,), "finite"),
    ],
)
def test_refuses_distortion_that_it_cannot_compute(model, coefficients, part):
    with pytest.raises(ValueError, match=part):
        raw_camera(INTRINSICS, model, coefficients)


def test_refuses_matrices_that_are_none():
    with pytest.raises(ValueError, match="no rotation"):
        raw_camera(INTRINSICS, "pinhole", (), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="starts with 0, 0, 1"):
        rectified_camera(np.diag([700.0, 700.0, 2.0]) @ np.eye(3, 4), 1242, 375)
    with pytest.raises(ValueError, match="finite"):
        rectified_camera(np.full((3, 4), np.nan), 1242, 375)
    with pytest.raises(ValueError, match="calibrated"):
        rectified_camera(np.zeros((3, 4)), 1242, 375)


def test_a_camera_without_distortion_needs_no_frame_of_its_own():
    camera = Camera(INTRINSICS)
    np.testing.assert_array_equal(camera.from_frame, np.eye(4))
    np.testing.assert_allclose(camera.project(np.array([[0.0, 0, 5]])), [[609.6, 172.9]])
