from __future__ import annotations

import numpy as np
import pytest

from starrygazer_ros.transforms import FixedTransform, matrix

HALF = 0.5**0.5
STAMP = 1_700_000_000_250_000_000


def test_a_quarter_turn_about_z_takes_x_to_y():
    transform = matrix((1, 2, 3), (0, 0, 2 * HALF, 2 * HALF))
    np.testing.assert_allclose(transform @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)


def test_quaternions_become_rotations():
    for rotation in np.random.default_rng(0).normal(size=(20, 4)):
        turn = matrix((0, 0, 0), tuple(rotation))[:3, :3]
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
        np.testing.assert_allclose(turn @ rotation[:3], rotation[:3], atol=1e-12)  # the axis stays


def test_a_fixed_transform_is_that_of_the_parameters_whatever_the_frames():
    transforms = FixedTransform((0.1, -0.2, 0.3), (0.0, 0.0, 0.0, 1.0))
    found = transforms.lookup("any", "frame", STAMP, 0.0)
    np.testing.assert_array_equal(found[:3, 3], (0.1, -0.2, 0.3))
    np.testing.assert_array_equal(found[:3, :3], np.eye(3))
