"""JPEG and PNG messages: what is read, and what is refused before it is unpacked."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="sensor_msgs is needed: see requirements/")

from sensor_msgs.msg import CompressedImage

from starrygazer_ros import compressed
from starrygazer_ros.compressed import (
    CompressedImageError,
    image_from_compressed,
    sparse_depth_from_compressed,
)

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (6, 8, 3), dtype=np.uint8)
MILLIMETRES = RANDOM.integers(0, 65536, (6, 8), dtype=np.uint16)


def message(format, data):
    made = CompressedImage(format=format)
    made.data.frombytes(bytes(data))
    return made


def encoded(ending, pixels):
    done, data = cv2.imencode(ending, pixels)
    assert done
    return data.tobytes()


@pytest.mark.parametrize("format", ["png", "rgb8; png compressed bgr8", ""])
def test_a_png_is_read_as_rgb(format):
    pixels = image_from_compressed(message(format, encoded(".png", RGB[..., ::-1])))
    assert np.array_equal(pixels, RGB)


def test_a_jpeg_is_read_as_rgb():
    red = np.zeros((32, 48, 3), np.uint8)
    red[..., 0] = 200
    pixels = image_from_compressed(message("jpeg", encoded(".jpg", red[..., ::-1])))
    assert pixels.shape == red.shape
    assert np.abs(pixels.astype(int) - red).max() < 10


def test_a_grey_image_gets_three_channels():
    pixels = image_from_compressed(message("mono8; png compressed ", encoded(".png", RGB[..., 0])))
    assert np.array_equal(pixels, np.repeat(RGB[..., :1], 3, axis=2))


def test_a_bayer_image_is_demosaiced():
    raw = np.zeros((8, 8), np.uint8)
    raw[::2, ::2] = 180  # the red pixels of rggb
    pixels = image_from_compressed(
        message("bayer_rggb8; png compressed bayer_rggb8", encoded(".png", raw))
    )
    assert pixels[2:-2, 2:-2, 0].min() > 80
    assert pixels[2:-2, 2:-2, 1:].max() == 0


def test_16_bit_png_is_millimetres():
    depth = sparse_depth_from_compressed(
        message("16UC1; png compressed ", encoded(".png", MILLIMETRES))
    )
    assert depth.dtype == np.float32
    assert depth == pytest.approx(MILLIMETRES / 1000, rel=1e-6)


def test_compressed_depth_of_16uc1_is_millimetres_after_its_header():
    data = struct.pack("<iff", 0, 0.0, 0.0) + encoded(".png", MILLIMETRES)
    depth = sparse_depth_from_compressed(message("16UC1; compressedDepth png", data))
    assert depth == pytest.approx(MILLIMETRES / 1000, rel=1e-6)


def test_compressed_depth_of_32fc1_is_a_quantised_inverse_depth():
    # As the plugin does it: farthest depth 10 m, quantisation of 100 at 1 m.
    scale = 100.0 * (100.0 + 1.0)
    offset = 1.0 - scale / 10.0
    metres = np.array([[1.0, 2.5, 9.9, np.nan]])
    codes = np.where(np.isfinite(metres), scale / metres + offset, 0).astype(np.uint16)
    data = struct.pack("<iff", 0, scale, offset) + encoded(".png", codes)
    depth = sparse_depth_from_compressed(message("32FC1; compressedDepth png", data))
    assert depth[0, :3] == pytest.approx(metres[0, :3], rel=0.02)
    assert depth[0, 3] == 0


@pytest.mark.parametrize("encoding", ["bayer_rggb8", "bayer_rggb16"])
def test_a_bayer_image_of_16_bits_is_demosaiced_as_one_of_8(encoding):
    raw = np.zeros((8, 8), np.uint16)
    raw[::2, ::2] = 180 << 8
    pixels = image_from_compressed(message(f"{encoding}; png compressed ", encoded(".png", raw)))
    assert pixels[2:-2, 2:-2, 0].min() > 80
    assert pixels[2:-2, 2:-2, 1:].max() == 0


def test_a_bayer_image_that_was_demosaiced_before_is_read_as_it_is():
    pixels = image_from_compressed(
        message("bayer_rggb8; png compressed bgr8", encoded(".png", RGB[..., ::-1]))
    )
    assert np.array_equal(pixels, RGB)


def test_a_bayer_image_without_neighbours_is_refused():
    tiny = message("bayer_rggb8; png compressed ", encoded(".png", RGB[:2, :, 0]))
    with pytest.raises(CompressedImageError, match="at least 3 rows and columns, this one is 8x2"):
        image_from_compressed(tiny)


def test_the_file_tells_red_from_blue_whatever_the_format_says():
    pixels = image_from_compressed(
        message("rgb8; png compressed rgb8", encoded(".png", RGB[..., ::-1]))
    )
    assert np.array_equal(pixels, RGB)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0, 0.01, 0.1, 0.5, 0.99])
def test_a_cut_off_image_is_refused_without_a_line_of_the_decoder(ending, kept, capfd):
    pixels = RANDOM.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    data = encoded(ending, pixels)
    with pytest.raises(CompressedImageError, match=r"cut off|damaged|neither"):
        image_from_compressed(message("", data[: int(kept * len(data))]))
    assert capfd.readouterr().err == ""  # it would come for every frame


def test_what_opencv_would_fill_with_grey_does_not_reach_it(monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", pytest.fail)  # OpenCV 4 decodes half a JPEG
    data = encoded(".jpg", RGB)
    with pytest.raises(CompressedImageError, match="damaged or were cut off"):
        image_from_compressed(message("jpeg", data[:-2]))


def test_what_would_unpack_to_gigabytes_is_refused_before(monkeypatch):
    header = b"\x89PNG\r\n\x1a\n"
    header += struct.pack(">I4sIIBB", 13, b"IHDR", 100_000, 100_000, 8, 2)
    monkeypatch.setattr(cv2, "imdecode", pytest.fail)
    with pytest.raises(CompressedImageError, match="says that it is 100000x100000"):
        image_from_compressed(message("png", header))
    monkeypatch.setattr(compressed, "LARGEST_IMAGE", 47)
    with pytest.raises(CompressedImageError, match="says that it is 8x6"):
        image_from_compressed(message("jpeg", encoded(".jpg", RGB)))


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize("pixels", [RGB, RGB[..., 0]])
def test_depth_of_8_bits_or_with_colours_is_refused_by_its_header(pixels, ending, monkeypatch):
    data = encoded(ending, pixels)
    monkeypatch.setattr(cv2, "imdecode", pytest.fail)
    with pytest.raises(CompressedImageError, match="one channel of 16 bits"):
        sparse_depth_from_compressed(message("png", data))


def test_another_compression_of_depth_is_refused():
    with pytest.raises(CompressedImageError, match="publish it as png"):
        sparse_depth_from_compressed(message("16UC1; compressedDepth rvl", b"x" * 20))
    with pytest.raises(CompressedImageError, match="has 3 bytes"):
        sparse_depth_from_compressed(message("16UC1; compressedDepth png", b"xxx"))
