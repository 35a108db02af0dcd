from __future__ import annotations

import sys
import time
from array import array
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from starrygazer_ros import messages, output_messages
from starrygazer_ros.completion import InputError

# Not grey, different in every channel, and far enough apart to tell the channels.
COLOUR = (200, 100, 40)


def make_image(pixels, encoding, padding=0, big_endian=False, width=None):
    """An Image message of a [H, W] or [H, W, C] array with some padding bytes per row."""
    height = pixels.shape[0]
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
    return Image(
        height=height,
        width=pixels.shape[1] if width is None else width,
        encoding=encoding,
        step=padded.shape[1],
        is_bigendian=int(big_endian),
        data=array("B", padded.tobytes()),
    )


def random_rgb(height=6, width=8):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "channels"),
    [("rgb8", [0, 1, 2]), ("bgr8", [2, 1, 0]), ("rgba8", [0, 1, 2, 0]), ("bgra8", [2, 1, 0, 0])],
)
def test_reads_colour_images_exactly_whatever_the_step(encoding, channels, padding):
    rgb = random_rgb()
    image = messages.image_from_message(make_image(rgb[..., channels], encoding, padding))
    assert image.dtype == np.uint8
    assert np.array_equal(image, rgb)


@pytest.mark.parametrize("padding", [0, 3])
def test_reads_mono8_as_grey(padding):
    grey = random_rgb()[..., 0]
    image = messages.image_from_message(make_image(grey, "mono8", padding))
    assert np.array_equal(image, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("big_endian", [False, True])
def test_reads_the_high_byte_of_mono16_in_either_byte_order(big_endian):
    grey = random_rgb()[..., 0]
    values = (grey.astype(np.uint16) << 8 | 0x37).astype(">u2" if big_endian else "<u2")
    image = messages.image_from_message(make_image(values, "mono16", 2, big_endian))
    assert np.array_equal(image[..., 1], grey)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_reads_bayer_patterns_by_the_ros_name(pattern):
    channels = np.array(["rgb".index(letter) for letter in pattern]).reshape(2, 2)
    mosaic = np.array(COLOUR, np.uint8)[np.tile(channels, (4, 5))]  # [8, 10]
    image = messages.image_from_message(make_image(mosaic, f"bayer_{pattern}8", 3))
    assert image.shape == (8, 10, 3)
    assert np.array_equal(image, np.broadcast_to(COLOUR, image.shape))


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")],
)
def test_reads_yuv422_in_both_byte_orders(encoding, order):
    red, green, blue = COLOUR
    # ITU-R BT.601 for digital video: luma 16 to 235.
    y = round(16 + 0.257 * red + 0.504 * green + 0.098 * blue)
    u = round(128 - 0.148 * red - 0.291 * green + 0.439 * blue)
    v = round(128 + 0.439 * red - 0.368 * green - 0.071 * blue)
    two_pixels = [{"y": y, "u": u, "v": v}[letter] for letter in order]
    packed = np.tile(np.array(two_pixels, np.uint8), (4, 3))  # 4 rows of 6 pixels
    image = messages.image_from_message(make_image(packed, encoding, padding=2, width=6))
    assert image.shape == (4, 6, 3)
    assert np.abs(image.astype(int) - COLOUR).max() <= 3


def test_does_not_copy_an_unpadded_rgb_image():
    message = make_image(random_rgb(), "rgb8")
    image = messages.image_from_message(message)
    message.data[0] ^= 0xFF
    assert image[0, 0, 0] == message.data[0]


SPARSE = np.array([[0, 1.5, np.nan], [np.inf, -np.inf, -2.0]], np.float32)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 4])
def test_reads_sparse_depth_in_metres_with_every_mark_for_none(padding, big_endian):
    values = SPARSE.astype(">f4" if big_endian else "<f4")
    depth = messages.sparse_depth_from_message(make_image(values, "32FC1", padding, big_endian))
    assert depth.dtype == np.float32
    assert np.array_equal(depth, np.array([[0, 1.5, 0], [0, 0, 0]], np.float32))


@pytest.mark.parametrize("big_endian", [False, True])
def test_reads_sparse_depth_in_millimetres(big_endian):
    values = np.array([[0, 1500, 65534, 65535]], ">u2" if big_endian else "<u2")
    depth = messages.sparse_depth_from_message(make_image(values, "16UC1", 2, big_endian))
    assert depth.dtype == np.float32
    assert np.allclose(depth, [[0, 1.5, 65.534, 0]])


def without_rows(message):
    message.height = 0
    return message


def with_step(message, step):
    message.step = step
    return message


def truncated(message):
    del message.data[-1:]
    return message


BAD_IMAGES = {
    "empty_image": lambda: without_rows(make_image(random_rgb(), "rgb8")),
    "image_step": lambda: with_step(make_image(random_rgb(), "rgb8"), 23),
    "truncated_data": lambda: truncated(make_image(random_rgb(), "rgb8")),
    "image_encoding": lambda: make_image(random_rgb(), "rgb24"),
}


@pytest.mark.parametrize("cause", BAD_IMAGES)
def test_refuses_an_image_with_a_cause_and_a_sentence(cause):
    with pytest.raises(messages.MessageError) as caught:
        messages.image_from_message(BAD_IMAGES[cause]())
    assert caught.value.cause == cause
    assert isinstance(caught.value, InputError)
    assert len(str(caught.value)) > 40


def test_refuses_images_that_the_conversion_cannot_handle():
    odd = make_image(np.zeros((4, 10), np.uint8), "yuv422", width=5)
    tiny = make_image(np.zeros((2, 2), np.uint8), "bayer_rggb8")
    for message in (odd, tiny):
        with pytest.raises(messages.ImageEncodingError):
            messages.image_from_message(message)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (make_image(SPARSE, "64FC1"), "sparse_depth_encoding"),
        (truncated(make_image(SPARSE, "32FC1")), "truncated_data"),
        (with_step(make_image(SPARSE, "32FC1"), 11), "image_step"),
        (without_rows(make_image(SPARSE, "32FC1")), "empty_image"),
    ],
)
def test_refuses_a_sparse_depth_with_a_cause(message, cause):
    with pytest.raises(messages.MessageError) as caught:
        messages.sparse_depth_from_message(message)
    assert caught.value.cause == cause


def make_camera_info(k_focal=0.0, p_focal=0.0):
    info = CameraInfo(height=48, width=64)
    info.k = [k_focal, 0.0, 31.0, 0.0, k_focal, 23.0, 0.0, 0.0, 1.0]
    info.p = [p_focal, 0.0, 32.0, 0.0, 0.0, p_focal, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def test_takes_the_rectified_intrinsics_of_p_where_they_are_set():
    intrinsics = messages.intrinsics_from_message(make_camera_info(k_focal=70.0, p_focal=80.0))
    assert (intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy) == (80, 80, 32, 24)
    assert (intrinsics.width, intrinsics.height) == (64, 48)


def test_takes_k_where_p_is_not_set():
    intrinsics = messages.intrinsics_from_message(make_camera_info(k_focal=70.0))
    assert (intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy) == (70, 70, 31, 23)


@pytest.mark.parametrize("focal", [0.0, -1.0, np.nan])
def test_refuses_a_camera_info_without_focal_length(focal):
    with pytest.raises(messages.UnusableCameraInfoError, match="calibrated"):
        messages.intrinsics_from_message(make_camera_info(k_focal=focal, p_focal=focal))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda info: info.p.__setitem__(5, 0.0), "zero focal length"),
        (lambda info: info.p.__setitem__(2, np.nan), "P holds NaN"),
        (lambda info: setattr(info, "width", 0), "image size must be positive, got 0x48"),
    ],
)
def test_says_why_a_camera_info_cannot_be_used(change, part):
    info = make_camera_info(p_focal=80.0)
    change(info)
    with pytest.raises(messages.UnusableCameraInfoError, match=part) as raised:
        messages.intrinsics_from_message(info)
    assert raised.value.cause == "unusable_camera_info"


def test_converts_a_vga_frame_in_a_few_milliseconds():
    image = random_rgb(480, 640)
    depth = np.random.default_rng(1).uniform(1, 20, (480, 640)).astype(np.float32)
    incoming = make_image(image[..., ::-1], "bgr8")
    sparse = make_image(depth, "32FC1")

    def convert():
        start = time.perf_counter()
        messages.image_from_message(incoming)
        messages.sparse_depth_from_message(sparse)
        output_messages.depth_to_message(depth, Header(), "32FC1")
        return time.perf_counter() - start

    # The fastest of several, because the machine may be busy; a slow setter takes 40 ms and more.
    assert min(convert() for _ in range(10)) < 0.015


@pytest.fixture
def bridge(monkeypatch):
    """Stands for cv_bridge; says what it was asked."""

    class Bridge:
        asked: ClassVar = []

        def imgmsg_to_cv2(self, message, desired_encoding):
            self.asked.append((message.encoding, desired_encoding))
            if message.encoding == "odd":
                raise RuntimeError("Unrecognized image encoding [odd]")
            return np.full((message.height, message.width, 3), 7, np.uint8)

    monkeypatch.setitem(sys.modules, "cv_bridge", SimpleNamespace(CvBridge=Bridge))
    messages._cv_bridge.cache_clear()
    yield Bridge
    messages._cv_bridge.cache_clear()


def test_rare_encodings_go_through_cv_bridge(bridge):
    pixels = messages.image_from_message(make_image(np.zeros((4, 6, 3), np.uint16), "rgb16"))
    assert pixels.shape == (4, 6, 3)
    assert (pixels == 7).all()
    assert bridge.asked == [("rgb16", "rgb8")]
    with pytest.raises(messages.ImageEncodingError, match=r"to rgb8: Unrecognized"):
        messages.image_from_message(make_image(np.zeros((4, 6), np.uint8), "odd"))
    short = make_image(np.zeros((4, 6, 3), np.uint16), "rgb16")
    short.data = short.data[:-1]
    with pytest.raises(messages.TruncatedDataError):
        messages.image_from_message(short)


def test_without_cv_bridge_the_reason_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    messages._cv_bridge.cache_clear()
    with pytest.raises(messages.ImageEncodingError, match=r"or install cv_bridge \(import of"):
        messages.image_from_message(make_image(np.zeros((4, 6, 3), np.uint16), "rgb16"))
    messages._cv_bridge.cache_clear()


def test_cv_bridge_itself_reduces_16_bits_to_8():
    pytest.importorskip("cv_bridge", reason="cv_bridge is not on PyPI")
    messages._cv_bridge.cache_clear()
    image = make_image(np.full((4, 6, 3), 200 << 8, np.uint16), "rgb16")
    pixels = messages.image_from_message(image)
    assert (pixels.shape, pixels.dtype) == ((4, 6, 3), np.uint8)
    assert np.abs(pixels.astype(int) - 200).max() <= 1
