from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import PointCloud2, PointField

from starrygazer_ros.messages import TruncatedDataError
from starrygazer_ros.point_clouds import (
    PointFieldError,
    PointStepError,
    PointTimeError,
    points_from_message,
)

DATATYPES = {
    "i1": PointField.INT8,
    "u2": PointField.UINT16,
    "u4": PointField.UINT32,
    "f4": PointField.FLOAT32,
    "f8": PointField.FLOAT64,
}
XYZ = (("x", "f4"), ("y", "f4"), ("z", "f4"))
STAMP = 1_700_000_000


def cloud(
    fields=XYZ,
    values=None,
    height=1,
    width=6,
    row_padding=0,
    big_endian=False,
    offsets=None,
    step=0,
):
    """A cloud whose fields hold random or given values, and these values by name."""
    order = ">" if big_endian else "<"
    names = [name for name, _ in fields]
    formats = [order + kind for _, kind in fields]
    layout = {"names": names, "formats": formats}
    if offsets is not None:
        layout["offsets"] = list(offsets)
    if step:
        layout["itemsize"] = step
    dtype = np.dtype(layout)
    rng = np.random.default_rng(0)
    array = np.zeros((height, width), dtype)
    for name in names:
        given = None if values is None else values.get(name)
        array[name] = rng.uniform(-50, 50, (height, width)) if given is None else given
    rows = [row.tobytes() + b"\xff" * row_padding for row in array]
    message = PointCloud2(
        height=height,
        width=width,
        point_step=dtype.itemsize,
        row_step=width * dtype.itemsize + row_padding,
        is_bigendian=big_endian,
        is_dense=False,
        fields=[
            PointField(name=n, offset=dtype.fields[n][1], datatype=DATATYPES[kind], count=1)
            for n, kind in fields
        ],
    )
    message.header.stamp.sec = STAMP
    message.data.frombytes(b"".join(rows))
    return message, {name: array[name].ravel().astype(float) for name in names}


LAYOUTS = {
    "plain": {},
    "with intensity": {"fields": (*XYZ, ("intensity", "f4"))},
    "padded to 32 bytes": {"offsets": (0, 4, 8), "step": 32},
    "fields behind others": {"fields": (("intensity", "f4"), ("ring", "u2"), ("pad", "u2"), *XYZ)},
    "any order": {"fields": (("z", "f4"), ("ring", "u2"), ("x", "f4"), ("y", "f4"))},
    "equally far apart": {"offsets": (4, 12, 20), "step": 28},
    "unaligned": {"fields": (*XYZ, ("ring", "u2"), ("line", "i1"))},
    "float64": {"fields": (("x", "f8"), ("y", "f8"), ("z", "f8"), ("ring", "u2"))},
    "big-endian": {"big_endian": True},
    "big-endian in any order": {
        "fields": (("y", "f8"), ("x", "f8"), ("z", "f8")),
        "big_endian": True,
    },
    "organised": {"height": 4, "width": 5},
    "organised with padded rows": {"height": 4, "width": 5, "row_padding": 7},
    "organised, padded, in any order": {
        "fields": (("z", "f4"), ("y", "f4"), ("x", "f4")),
        "height": 3,
        "width": 2,
        "row_padding": 5,
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_reads_any_layout(name):
    message, values = cloud(**LAYOUTS[name])
    points = points_from_message(message).points
    expected = np.stack([values[axis] for axis in "xyz"], axis=1)
    assert points.dtype.isnative
    assert points.dtype == (np.float64 if "f8" in str(LAYOUTS[name].get("fields")) else np.float32)
    np.testing.assert_array_equal(points, expected)


@pytest.mark.parametrize(
    "name", ["plain", "with intensity", "padded to 32 bytes", "equally far apart", "organised"]
)
def test_copies_nothing_where_the_layout_allows_it(name):
    message, _ = cloud(**LAYOUTS[name])
    points = points_from_message(message).points
    assert np.shares_memory(points, np.frombuffer(message.data, np.uint8))


def test_points_that_did_not_return_stay_nan():
    message, _ = cloud(values={"x": np.nan})
    assert np.isnan(points_from_message(message).points[:, 0]).all()


@pytest.mark.parametrize("size", [(0, 0), (1, 0), (0, 5)])
def test_an_empty_cloud_has_no_points(size):
    message, _ = cloud()
    message.height, message.width = size
    message.data = type(message.data)("B")
    assert points_from_message(message).points.shape == (0, 3)
    message.point_step = 0
    assert points_from_message(message).points.shape == (0, 3)


def test_a_single_row_needs_no_row_step():
    message, _ = cloud()
    message.row_step = 0
    assert len(points_from_message(message).points) == 6


def broken(change, **options):
    message, _ = cloud(**options)
    change(message)
    return message


def drop_z(message):
    message.fields = [field for field in message.fields if field.name != "z"]


def cut(message):
    del message.data[-1:]


def cut_row(message):
    del message.data[-message.row_step :]


def set_field(index, **values):
    def change(message):
        for name, value in values.items():
            setattr(message.fields[index], name, value)

    return change


def set_value(**values):
    def change(message):
        for name, value in values.items():
            setattr(message, name, value)

    return change


@pytest.mark.parametrize(
    ("message", "error", "part"),
    [
        (broken(drop_z), PointFieldError, "no field z, only x, y"),
        (broken(set_value(fields=[])), PointFieldError, "no field x, y, z, only none"),
        (broken(cut), TruncatedDataError, "71 bytes of data instead of 72"),
        (broken(cut_row, height=2, row_padding=3), TruncatedDataError, "cut off"),
        (broken(set_value(point_step=0)), PointStepError, "point_step of 0"),
        (
            broken(set_value(row_step=20), height=2),
            PointStepError,
            "row_step of 20 bytes, but a row of 6 points of 12 bytes has 72",
        ),
        (broken(set_field(2, offset=10)), PointFieldError, "z ends at byte 14 of a point that has"),
        (broken(set_field(1, offset=2)), PointFieldError, "overlap"),
        (broken(set_field(1, offset=0)), PointFieldError, "begin at bytes 0, 0 and 8"),
        (broken(set_field(0, datatype=99)), PointFieldError, "unknown datatype 99"),
        (broken(set_field(0, datatype=PointField.INT32)), PointFieldError, "x int32, y float32"),
        (
            broken(lambda message: None, fields=(("x", "u4"), ("y", "u4"), ("z", "u4"))),
            PointFieldError,
            "float32 or float64, all the same",
        ),
    ],
)
def test_a_malformed_cloud_is_refused_with_a_reason(message, error, part):
    with pytest.raises(error, match=part):
        points_from_message(message)


OFFSETS = np.array([0.0, 0.02, 0.04, 0.06, 0.08, 0.1])


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (("time", "f4"), OFFSETS - 0.1),
        (("t", "u4"), OFFSETS * 1e9),
        (("timestamp", "f8"), OFFSETS + STAMP),
        (("timestamp", "f8"), (OFFSETS + STAMP) * 1e9),
        (("time_stamp", "f8"), OFFSETS),
    ],
    ids=["Velodyne", "Ouster", "Hesai", "Livox", "offsets"],
)
def test_times_of_points_are_seconds_from_the_stamp(field, values):
    message, _ = cloud(fields=(*XYZ, field), values={field[0]: values})
    times = points_from_message(message, with_times=True).times
    expected = OFFSETS - 0.1 if field[0] == "time" else OFFSETS
    np.testing.assert_allclose(times, expected, atol=1e-6)


def test_times_are_only_read_when_they_are_wanted():
    message, _ = cloud()
    assert points_from_message(message).times is None
    with pytest.raises(PointTimeError, match="time of each point"):
        points_from_message(message, with_times=True)


def test_times_of_another_clock_are_refused():
    message, _ = cloud(fields=(*XYZ, ("timestamp", "f8")), values={"timestamp": OFFSETS + 1e6})
    with pytest.raises(PointTimeError, match="from one clock"):
        points_from_message(message, with_times=True)


@pytest.mark.filterwarnings("error")
def test_times_that_are_no_numbers_are_taken_without_a_warning():
    # A signalling NaN, which NumPy warns of when it is converted.
    message, _ = cloud([*XYZ, ("t", "u4")], {"t": 0x7FA00000})
    message.fields[3].datatype = PointField.FLOAT32
    assert np.isnan(points_from_message(message, with_times=True).times).all()
