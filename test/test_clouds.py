"""Point clouds: fields, what is left out, and the formula of depth_image_proc."""

from __future__ import annotations

import numpy as np
import pytest

from starrygazer_ros.clouds import CloudOptions, make_cloud
from starrygazer_ros.completion import Intrinsics

ROWS, COLUMNS = 12, 16
CAMERA = Intrinsics(fx=20.0, fy=21.0, cx=7.3, cy=5.9, width=COLUMNS, height=ROWS)
RANDOM = np.random.default_rng(0)
DEPTH = RANDOM.uniform(1, 9, (ROWS, COLUMNS)).astype(np.float32)
IMAGE = RANDOM.integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
CONFIDENCE = RANDOM.uniform(0, 1, (ROWS, COLUMNS)).astype(np.float32)


def fields_of(cloud):
    """The fields of a cloud by name, [rows, points in a row] each."""
    assert (cloud.points.dtype, cloud.points.shape[2]) == (np.float32, len(cloud.names))
    return {name: cloud.points[..., index] for index, name in enumerate(cloud.names)}


def make(depth=DEPTH, **options):
    cloud = make_cloud(depth, IMAGE, CONFIDENCE, CAMERA, CloudOptions(**options))
    return cloud, fields_of(cloud)


def xyz(cloud):
    return np.stack([cloud[axis] for axis in "xyz"], axis=-1)


def colours_of(cloud):
    packed = cloud["rgb"].copy().view(np.uint32)
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1)


def test_points_are_those_of_depth_image_proc():
    _, cloud = make()
    v, u = np.indices(DEPTH.shape)
    z = DEPTH.astype(np.float64)
    x, y = (u - CAMERA.cx) * z / CAMERA.fx, (v - CAMERA.cy) * z / CAMERA.fy
    np.testing.assert_allclose(xyz(cloud), np.stack([x, y, z], -1), rtol=3e-7)


@pytest.mark.parametrize(
    ("fields", "names"),
    [("xyz", "x y z"), ("xyzrgb", "x y z rgb"), ("xyzi", "x y z intensity")],
)
def test_fields_are_those_that_are_asked_for(fields, names):
    made, cloud = make(fields=fields)
    assert made.names == tuple(names.split())
    assert made.layout == (ROWS, COLUMNS, 4 * len(names.split()))
    assert list(made.offsets.values()) == [0, 4, 8, 12][: len(made.names)]
    if fields == "xyzrgb":
        assert np.array_equal(colours_of(cloud), IMAGE)
    if fields == "xyzi":
        assert np.array_equal(cloud["intensity"], CONFIDENCE)


def test_an_organised_cloud_keeps_unknown_points_and_is_dense_only_without_them():
    depth = DEPTH.copy()
    depth[1, 2] = np.nan
    made, cloud = make(depth)
    assert (made.points.shape[:2], made.is_dense) == ((ROWS, COLUMNS), False)
    assert np.isnan(xyz(cloud)[1, 2]).all()
    assert np.array_equal(cloud["z"], depth, equal_nan=True)
    assert make()[0].is_dense is True


def test_an_unorganised_cloud_leaves_unknown_points_out():
    depth = DEPTH.copy()
    depth[1, 2] = np.nan
    made, cloud = make(depth, organized=False)
    known = np.isfinite(depth)
    assert (made.points.shape[:2], made.is_dense) == ((1, known.sum()), True)
    assert np.array_equal(cloud["z"][0], depth[known])
    assert np.array_equal(colours_of(cloud)[0], IMAGE[known])


def test_an_unorganised_cloud_of_known_points_is_the_organised_one_in_one_row():
    made, cloud = make(organized=False)
    assert (made.points.shape[:2], made.is_dense) == ((1, DEPTH.size), True)
    for name, values in make()[1].items():
        assert np.array_equal(cloud[name][0].view(np.uint32), values.ravel().view(np.uint32))


@pytest.mark.parametrize("fields", ["xyz", "xyzrgb", "xyzi"])
def test_where_nothing_is_known_the_cloud_is_empty(fields):
    made, _ = make(np.full_like(DEPTH, np.nan), organized=False, fields=fields)
    assert made.points.shape == (1, 0, len(made.names))


def test_a_confidence_that_is_not_a_number_is_not_confident():
    confidence = CONFIDENCE.copy()
    confidence[3, 4] = np.nan
    options = CloudOptions(min_confidence=0.1, fields="xyzi")
    made = make_cloud(DEPTH, IMAGE, confidence, CAMERA, options)
    cloud = fields_of(made)
    assert np.isnan(cloud["z"][3, 4])
    assert made.is_dense is False


def test_points_of_little_confidence_are_left_out():
    _, cloud = make(min_confidence=0.4)
    assert np.array_equal(np.isfinite(cloud["z"]), CONFIDENCE >= 0.4)


def test_flying_pixels_are_left_out():
    depth = np.full_like(DEPTH, 2.0)
    depth[:, 8:] = 4.0
    depth[5, 8] = 3.0  # hangs between the two sides
    _, cloud = make(depth, edge_ratio=0.05)
    left_out = ~np.isfinite(cloud["z"])
    assert left_out[5, 8]
    assert left_out.sum() == 1


@pytest.mark.parametrize("stride", [2, 5])
def test_a_stride_keeps_the_same_points_with_their_colours(stride):
    every = (slice(None, None, stride),) * 2
    whole, strided = make()[1], make(stride=stride)[1]
    np.testing.assert_allclose(xyz(strided), xyz(whole)[every], rtol=1e-6, atol=1e-6)
    assert np.array_equal(colours_of(strided), IMAGE[every])
