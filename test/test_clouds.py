"""Point clouds: fields, what is left out, and the formula of depth_image_proc."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from std_msgs.msg import Header

from starrygazer_ros.clouds import CloudOptions, make_cloud
from starrygazer_ros.completion import Intrinsics

ROWS, COLUMNS = 12, 16
CAMERA = Intrinsics(fx=20.0, fy=21.0, cx=7.3, cy=5.9, width=COLUMNS, height=ROWS)
HEADER = Header(frame_id="camera")
RANDOM = np.random.default_rng(0)
DEPTH = RANDOM.uniform(1, 9, (ROWS, COLUMNS)).astype(np.float32)
IMAGE = RANDOM.integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
CONFIDENCE = RANDOM.uniform(0, 1, (ROWS, COLUMNS)).astype(np.float32)


def read_cloud(message):
    """The fields of a cloud by its own description, [height, width] each."""
    assert {field.datatype for field in message.fields} == {7}  # FLOAT32
    layout = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": ["<f4"] * len(message.fields),
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    assert message.row_step == message.width * message.point_step
    return np.frombuffer(message.data, layout).reshape(message.height, message.width)


def make(depth=DEPTH, **options):
    message = make_cloud(depth, IMAGE, CONFIDENCE, CAMERA, HEADER, CloudOptions(**options))
    assert message.header == HEADER
    return message, read_cloud(message)


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
    message, cloud = make(fields=fields)
    assert [field.name for field in message.fields] == names.split()
    assert message.point_step == 4 * len(names.split())
    if fields == "xyzrgb":
        assert np.array_equal(colours_of(cloud), IMAGE)
    if fields == "xyzi":
        assert np.array_equal(cloud["intensity"], CONFIDENCE)


def test_an_organised_cloud_keeps_unknown_points_and_is_dense_only_without_them():
    depth = DEPTH.copy()
    depth[1, 2] = np.nan
    message, cloud = make(depth)
    assert (message.height, message.width, message.is_dense) == (ROWS, COLUMNS, False)
    assert np.isnan(xyz(cloud)[1, 2]).all()
    assert np.array_equal(cloud["z"], depth, equal_nan=True)
    assert make()[0].is_dense is True


def test_an_unorganised_cloud_leaves_unknown_points_out():
    depth = DEPTH.copy()
    depth[1, 2] = np.nan
    message, cloud = make(depth, organized=False)
    known = np.isfinite(depth)
    assert (message.height, message.width, message.is_dense) == (1, known.sum(), True)
    assert np.array_equal(cloud["z"][0], depth[known])
    assert np.array_equal(colours_of(cloud)[0], IMAGE[known])


def test_an_unorganised_cloud_of_known_points_is_the_organised_one_in_one_row():
    message, cloud = make(organized=False)
    assert (message.height, message.width, message.is_dense) == (1, DEPTH.size, True)
    assert np.array_equal(cloud[0], make()[1].ravel())


@pytest.mark.parametrize("fields", ["xyz", "xyzrgb", "xyzi"])
def test_where_nothing_is_known_the_cloud_is_empty(fields):
    message, _ = make(np.full_like(DEPTH, np.nan), organized=False, fields=fields)
    assert (message.height, message.width, len(message.data)) == (1, 0, 0)
    assert message.point_step == 4 * len(message.fields)


def test_a_confidence_that_is_not_a_number_is_not_confident():
    confidence = CONFIDENCE.copy()
    confidence[3, 4] = np.nan
    options = CloudOptions(min_confidence=0.1, fields="xyzi")
    message = make_cloud(DEPTH, IMAGE, confidence, CAMERA, HEADER, options)
    cloud = read_cloud(message)
    assert np.isnan(cloud["z"][3, 4])
    assert message.is_dense is False


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
