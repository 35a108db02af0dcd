"""Headers of PNG and JPEG, and whether all of an image is there."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from starrygazer_ros.encoded_images import ImageHeader, is_whole, read_header

RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (60, 80, 3), dtype=np.uint8)
PIXELS = {
    "colours": (RGB, 3, 8),
    "grey": (RGB[..., 0], 1, 8),
    "alpha": (np.dstack([RGB, RGB[..., :1]]), 4, 8),
    "16 bits": (RANDOM.integers(0, 65536, (60, 80), dtype=np.uint16), 1, 16),
}


def encoded(ending: str, pixels: np.ndarray, *parameters: int) -> bytes:
    done, data = cv2.imencode(ending, pixels, parameters)
    assert done
    return bytes(data.tobytes())


def with_thumbnail(jpeg: bytes) -> bytes:
    """A JPEG with a smaller one in front of its frame, as cameras put it into their EXIF data."""
    thumbnail = encoded(".jpg", RGB[:8, :8])
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    return jpeg[:2] + b"\xff" + segment + jpeg[2:]  # one byte to fill, too


JPEGS = {
    "baseline": encoded(".jpg", RGB),
    "progressive": encoded(".jpg", RGB, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encoded(".jpg", RGB, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "thumbnail": with_thumbnail(encoded(".jpg", RGB)),
}


@pytest.mark.parametrize("kind", PIXELS)
def test_header_of_a_png(kind: str) -> None:
    pixels, channels, bits = PIXELS[kind]
    assert read_header(encoded(".png", pixels)) == ImageHeader(80, 60, channels, bits)


@pytest.mark.parametrize("kind", JPEGS)
def test_header_of_a_jpeg(kind: str) -> None:
    assert read_header(JPEGS[kind]) == ImageHeader(80, 60, 3, 8)
    assert cv2.imdecode(np.frombuffer(JPEGS[kind], np.uint8), cv2.IMREAD_COLOR).shape == RGB.shape


def test_header_of_a_grey_jpeg() -> None:
    assert read_header(encoded(".jpg", RGB[..., 0])) == ImageHeader(80, 60, 1, 8)


@pytest.mark.parametrize(
    "content", [b"", b"hello, world, hello, world", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"]
)
def test_no_header_in_what_is_neither_or_too_short(content: bytes) -> None:
    assert read_header(content) is None


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_is_whole_up_to_its_end_and_not_a_byte_before(kind: str) -> None:
    content = JPEGS[kind]
    assert is_whole(content)
    assert is_whole(content + b"\0" * 100)  # buffers of cameras are longer than their image
    assert not any(is_whole(content[:kept]) for kept in range(2, len(content)))


def test_a_png_is_whole_up_to_its_end_and_not_a_byte_before() -> None:
    content = encoded(".png", RGB)
    assert is_whole(content)
    assert not any(is_whole(content[:kept]) for kept in range(8, len(content), 97))
    assert not is_whole(content[:-1])


def test_a_png_with_a_changed_byte_is_not_whole() -> None:
    content = bytearray(encoded(".png", RGB))
    content[len(content) // 2] ^= 1
    assert not is_whole(bytes(content))


def test_a_palette_holds_colours() -> None:
    header = struct.pack(">IIBBBBB", 8, 6, 8, 3, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    assert read_header(content) == ImageHeader(8, 6, 3, 8)


def test_other_formats_are_left_to_their_decoders() -> None:
    assert is_whole(encoded(".bmp", RGB)[:50])
