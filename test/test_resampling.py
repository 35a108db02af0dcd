"""Resizing by matrices against OpenCV, which the host's pipeline uses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from starrygazer_ros.backends.tensorrt.resampling import resizing_matrix

SIZES = [
    ((480, 640), (224, 288)),
    ((375, 1242), (128, 480)),
    ((65, 97), (64, 96)),
    ((120, 160), (224, 288)),
    ((64, 96), (32, 48)),
    ((50, 50), (50, 50)),
]


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_is_what_opencv_does(old, new):
    values = np.random.default_rng(0).uniform(0, 1, old).astype(np.float32)
    area = new[0] < old[0]
    interpolation = cv2.INTER_AREA if area else cv2.INTER_LINEAR
    expected = cv2.resize(values, new[::-1], interpolation=interpolation)
    rows, columns = (resizing_matrix(a, b, area) for a, b in zip(old, new, strict=True))
    np.testing.assert_allclose(rows @ values @ columns.T, expected, atol=1e-6)


def test_padding_repeats_the_last_row():
    matrix = resizing_matrix(10, 7, area=False, padded=9)
    assert matrix.shape == (9, 10)
    np.testing.assert_array_equal(matrix[7:], matrix[[6, 6]])
    np.testing.assert_array_equal(matrix[:7], resizing_matrix(10, 7, area=False))


@pytest.mark.parametrize("area", [True, False])
def test_a_constant_stays_what_it_is(area):
    for old, new in ((10, 3), (3, 10), (640, 289)):
        np.testing.assert_allclose(resizing_matrix(old, new, area).sum(axis=1), 1, atol=1e-5)
