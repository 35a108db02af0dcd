"""The benchmark of the projection says what is equal and what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.projection import (
    DEFAULT_DATA,
    Frame,
    ProjectionDataError,
    back_projected,
    equal_pixels,
    opencv_and_z_buffer,
    read_frames,
)
from starrygazer_ros.completion.projection import project

PROJECTION = np.array([[300.0, 0, 160, 20], [0, 300, 90, 0.1], [0, 0, 1, 0.003]])
RECT_FROM_LIDAR = np.array([[0.0, -1, 0, 0.1], [0, 0, -1, -0.1], [1, 0, 0, -0.2], [0, 0, 0, 1]])


def frame() -> Frame:
    rng = np.random.default_rng(0)
    reference = np.zeros((180, 320), np.uint16)
    reference[::5, ::2] = rng.integers(300, 20_000, (36, 160))
    return Frame("test", reference, PROJECTION, RECT_FROM_LIDAR, None)


def test_there_and_back_is_equal_and_another_calibration_is_not():
    here = frame()
    points = back_projected(here)
    assert equal_pixels(here, points, 0) > 0.999
    assert equal_pixels(here, points, 1) < 0.01
    shifted = RECT_FROM_LIDAR.copy()
    shifted[0, 3] += 0.1
    assert equal_pixels(replace(here, rect_from_lidar=shifted), points, 0) < 0.5


def test_both_ways_that_are_timed_give_one_result():
    here = frame()
    points = back_projected(here)
    ours = project(points, here.camera(0), RECT_FROM_LIDAR, filter_occluded=False).depth
    theirs = opencv_and_z_buffer(points, here.camera(0), RECT_FROM_LIDAR)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert np.count_nonzero(ours) > 5000


def test_says_what_is_missing(tmp_path):
    with pytest.raises(ProjectionDataError, match="--data"):
        list(read_frames(tmp_path))


def test_kitti_scans_are_projected_as_kitti_does():
    try:
        frames = [found for found in read_frames(DEFAULT_DATA) if found.points is not None]
    except ProjectionDataError as error:
        pytest.skip(str(error))
    for found in frames:
        assert found.points is not None
        assert equal_pixels(found, found.points, 1) > 0.999
