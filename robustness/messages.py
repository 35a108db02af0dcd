"""Messages as broken software, bad networks and attackers send them: Hypothesis' strategies."""

from __future__ import annotations

import struct

import cv2
import numpy as np
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from starrygazer_ros.messages import IMAGE_LAYOUTS

LARGEST_UINT32 = 2**32 - 1
MOST_BYTES = 1 << 16

# Small ones are drawn often, so that a good part of the messages is nearly right.
SIDES = st.one_of(
    st.integers(0, 12),
    st.sampled_from([16, 640, 2**31, LARGEST_UINT32]),
    st.integers(0, 99),
)
UINT32 = st.one_of(st.integers(0, 64), st.integers(0, LARGEST_UINT32))
DOUBLES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 100.0, 5e-324, 1e-40, 1e300, -1e300, 2.0**63]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-1000, 1000),
)
SMALL_SIDES = st.integers(1, 12)
PADDING = st.sampled_from([0, 0, 0, 1, 7])
STAMPS = st.one_of(
    st.just((1_700_000_000, 0)),
    st.just((1_700_000_000, 10**8)),
    st.tuples(
        st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, -1])),
        st.one_of(st.integers(0, LARGEST_UINT32), st.sampled_from([0, 999_999_999, 10**9])),
    ),
)
FRAMES = st.sampled_from(["camera", "/camera", "", "lidar", "ä b\n", "x" * 300])
WORDS = st.one_of(st.text(max_size=12), st.sampled_from(["", "8UC3", "bgr16", "rgb8\n", "32FC"]))


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Any stamp and frame."""
    header = Header(frame_id=draw(FRAMES))
    header.stamp.sec, header.stamp.nanosec = draw(STAMPS)
    return header


_NUMBERS_THAT_HURT = (
    *(0.0, -0.0, np.nan, np.inf, -np.inf),
    *(1e-45, 1e-30, -3.0, 3e38, 65.535),
)
_ENCODINGS = (*IMAGE_LAYOUTS, "32FC1", "16UC1")
_IMAGE_CHANGES = ("encoding", "height", "width", "step", "endian")


@st.composite
def images(draw: st.DrawFn, known: tuple[str, ...] = tuple(IMAGE_LAYOUTS)) -> Image:
    """Good images with up to three things that are not."""
    message = Image(header=draw(headers()), encoding=draw(st.sampled_from(known)))
    message.height, message.width = draw(SMALL_SIDES), draw(SMALL_SIDES)
    message.is_bigendian = draw(st.sampled_from([0, 1]))
    message.step = message.width * _bytes_of_pixel(message.encoding) + draw(PADDING)
    changes = draw(st.lists(st.sampled_from(_IMAGE_CHANGES), max_size=3))
    if "encoding" in changes:
        message.encoding = draw(st.one_of(st.sampled_from(_ENCODINGS), WORDS))
    for side in ("height", "width"):
        if side in changes:
            setattr(message, side, draw(SIDES))
    if "step" in changes:
        message.step = draw(UINT32)
    if "endian" in changes:
        message.is_bigendian = 255
    message.data = draw(_data(message.step * message.height))
    return message


def _bytes_of_pixel(encoding: str) -> int:
    layout = IMAGE_LAYOUTS.get(encoding)
    if layout is not None:
        return np.dtype(layout.dtype).itemsize * layout.channels
    return {"32FC1": 4, "16UC1": 2}.get(encoding, 3)


@st.composite
def _data(draw: st.DrawFn, size: int) -> bytes:
    """About so many bytes: noise, ordinary numbers, or one that hurts."""
    length = min(size, MOST_BYTES)
    length = max(0, length + draw(st.sampled_from([0, 0, 0, 0, -1, 1, -9, 40])))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    content = draw(st.sampled_from(["noise", "numbers", "numbers", "hurts"]))
    if content == "noise":
        return random.bytes(length)
    kind = draw(st.sampled_from(["<f4", "<f4", ">f4", "<f8", "<u2"]))
    if content == "numbers":
        values = random.uniform(0.1, 9, length // np.dtype(kind).itemsize + 1)
    else:
        values = np.array([draw(st.sampled_from(_NUMBERS_THAT_HURT))])
    with np.errstate(all="ignore"):
        pattern = values.astype(kind).tobytes()
    return (pattern * (length // len(pattern) + 1))[:length]


_CALIBRATION_CHANGES = (*"dkrpdkrp", "size", "model", "binning", "roi")
_MODELS: tuple[tuple[str, list[float]], ...] = (
    ("", []),
    ("plumb_bob", [-0.3, 0.1, 0.001, -0.002, -0.01]),
    ("rational_polynomial", [0.1, 0.2, 0.0, 0.0, 0.1, 0.2, 0.1, 0.0]),
    ("equidistant", [0.1, 0.01, 0.0, 0.0]),
)


@st.composite
def camera_infos(draw: st.DrawFn) -> CameraInfo:
    """Good calibrations with up to four things that are not."""
    info = CameraInfo(header=draw(headers()), height=12, width=16)
    info.distortion_model, info.d = draw(st.sampled_from(_MODELS))
    info.k = [20.0, 0.0, 8.0, 0.0, 20.0, 6.0, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [20.0, 0.0, 8.0, 0.0, 0.0, 20.0, 6.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for change in draw(st.lists(st.sampled_from(_CALIBRATION_CHANGES), max_size=4)):
        if change in "krp":
            values = list(getattr(info, change))
            values[draw(st.integers(0, len(values) - 1))] = draw(DOUBLES)
            setattr(info, change, values)
        elif change == "d":
            info.d = draw(st.lists(DOUBLES, max_size=14))
        elif change == "size":
            info.height, info.width = draw(SIDES), draw(SIDES)
        elif change == "model":
            info.distortion_model = draw(st.one_of(st.just("fisheye"), WORDS))
        elif change == "binning":
            info.binning_x, info.binning_y = draw(UINT32), draw(UINT32)
        else:
            for name in ("x_offset", "y_offset", "height", "width"):
                setattr(info.roi, name, draw(st.one_of(st.integers(0, 12), UINT32)))
    return info


def _encoded(extension: str, shape: tuple[int, ...], dtype: type) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    return bytes(cv2.imencode(extension, pixels)[1])


_CLOUD_CHANGES = (
    *("offset", "count", "datatype", "name"),
    *("height", "width", "point_step", "row_step"),
)
_DEPTH_FILES = (
    _encoded(".png", (12, 16), np.uint16),
    struct.pack("<iff", 0, 100.0, 0.5) + _encoded(".png", (12, 16), np.uint16),
)
_FILES = (
    *_DEPTH_FILES,
    _encoded(".png", (12, 16, 3), np.uint8),
    _encoded(".png", (12, 16, 4), np.uint8),
    _encoded(".jpg", (12, 16, 3), np.uint8),
    _encoded(".jpg", (12, 16), np.uint8),
    _encoded(".bmp", (4, 4, 3), np.uint8),
    b"",
)
_FORMATS = (
    "jpeg",
    "png",
    "rgb8; jpeg compressed bgr8",
    "bayer_rggb8; png compressed",
    "16UC1; compressedDepth png",
    "32FC1; compressedDepth png",
    "32FC1; compressedDepth rvl",
)


@st.composite
def compressed_images(draw: st.DrawFn, depth: bool = False) -> CompressedImage:
    """Files with up to six things that were changed; half of them hold depth if that is wanted."""
    files = _DEPTH_FILES if depth and draw(st.booleans()) else _FILES
    content = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.one_of(st.just(0), st.integers(0, 6)))):
        if not content:
            break
        at = draw(st.integers(0, len(content) - 1))
        damage = draw(st.sampled_from(["change", "cut", "insert", "size"]))
        if damage == "change":
            content[at] = draw(st.integers(0, 255))
        elif damage == "cut":
            del content[at:]
        elif damage == "insert":
            content[at:at] = draw(st.binary(max_size=40))
        elif len(content) > 24:
            content[16:24] = struct.pack(">II", draw(SIDES), draw(SIDES))
    form = draw(st.one_of(st.sampled_from(_FORMATS), st.text(max_size=40)))
    return CompressedImage(header=draw(headers()), format=form, data=bytes(content))


@st.composite
def point_clouds(draw: st.DrawFn) -> PointCloud2:
    """Good clouds with up to three things that do not go together, often only just."""
    kind = draw(st.sampled_from([PointField.FLOAT32, PointField.FLOAT64]))
    size = 4 if kind == PointField.FLOAT32 else 8
    names = ["x", "y", "z", *draw(st.lists(st.sampled_from(["t", "time", "ring", "rgb", "x", ""])))]
    fields = [
        PointField(name=name, offset=size * index, datatype=kind, count=1)
        for index, name in enumerate(names)
    ]
    cloud = PointCloud2(header=draw(headers()), fields=fields)
    cloud.height, cloud.width = draw(st.sampled_from([1, 1, 3])), draw(SMALL_SIDES)
    cloud.point_step = size * len(names) + draw(PADDING)
    cloud.row_step = cloud.width * cloud.point_step + draw(PADDING)
    cloud.is_bigendian, cloud.is_dense = draw(st.booleans()), draw(st.booleans())
    for change in draw(st.lists(st.sampled_from(_CLOUD_CHANGES), max_size=3)):
        if change in ("offset", "count"):
            setattr(draw(st.sampled_from(fields)), change, draw(UINT32))
        elif change == "datatype":
            draw(st.sampled_from(fields)).datatype = draw(st.integers(0, 255))
        elif change == "name":
            draw(st.sampled_from(fields)).name = draw(WORDS)
        else:
            setattr(cloud, change, draw(UINT32 if change.endswith("step") else SIDES))
    cloud.data = draw(_data(cloud.row_step * cloud.height))
    return cloud
