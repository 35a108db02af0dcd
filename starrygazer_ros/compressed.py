"""sensor_msgs/CompressedImage to arrays: JPEG and PNG, and depth as image_transport sends it.

The layout of ``compressedDepth`` and the words of ``format`` are those of the packages
compressed_image_transport and compressed_depth_image_transport.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage

from starrygazer_ros.messages import IMAGE_LAYOUTS, MILLIMETRE, MessageError

RAW, COMPRESSED, COMPRESSED_DEPTH = "raw", "compressed", "compressedDepth"
IMAGE_TRANSPORTS = (RAW, COMPRESSED)
SPARSE_DEPTH_TRANSPORTS = (RAW, COMPRESSED, COMPRESSED_DEPTH)
LARGEST_IMAGE = 50_000_000  # pixels; a few bytes can unpack to gigabytes

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_DEPTH_HEADER = struct.Struct("<iff")  # format, two parameters of the quantisation


class CompressedImageError(MessageError):
    """The data cannot be decoded."""

    cause = "compressed_image"


def image_from_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """Pixels of a compressed camera image.

    Args:
        message: JPEG or PNG.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        CompressedImageError: it cannot be decoded, or is larger than ``LARGEST_IMAGE``.
    """
    encoding = message.format.split(";")[0].strip()
    if encoding.startswith("bayer") and encoding in IMAGE_LAYOUTS:
        return IMAGE_LAYOUTS[encoding].to_rgb(_decode(message.data, cv2.IMREAD_GRAYSCALE, "image"))
    # A camera's image is as its camera_info says, whatever an EXIF orientation wants.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.cvtColor(_decode(message.data, flags, "image"), cv2.COLOR_BGR2RGB)


def sparse_depth_from_compressed(message: CompressedImage) -> NDArray[np.float32]:
    """Sparse depth of a 16-bit PNG, alone or as ``compressedDepth``.

    Args:
        message: ``16UC1`` in millimetres; ``32FC1`` as ``compressedDepth`` only, which quantises
            the inverse depth.

    Returns:
        float32 [H, W] metres, 0 = none.

    Raises:
        CompressedImageError: it cannot be decoded, is not a 16-bit PNG, or is too large.
    """
    data = memoryview(message.data)
    if COMPRESSED_DEPTH not in message.format:
        return np.multiply(_decode_depth(data), MILLIMETRE, dtype=np.float32)
    if "rvl" in message.format.lower():
        raise CompressedImageError(
            f"sparse depth of format '{message.format}' is not supported: publish it as png "
            "(parameter format of compressed_depth_image_transport)"
        )
    if len(data) < _DEPTH_HEADER.size:
        raise CompressedImageError(f"sparse depth has {len(data)} bytes: the message was cut off")
    _, scale, offset = _DEPTH_HEADER.unpack_from(data)
    codes = _decode_depth(data[_DEPTH_HEADER.size :])
    if not message.format.startswith("32FC1"):
        return np.multiply(codes, MILLIMETRE, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        depth = np.float32(scale) / (codes.astype(np.float32) - np.float32(offset))
    return np.where((codes > 0) & np.isfinite(depth) & (depth > 0), depth, np.float32(0))


def _decode_depth(data: memoryview) -> NDArray[np.uint16]:
    codes = _decode(data, cv2.IMREAD_UNCHANGED, "sparse depth")
    if codes.dtype != np.uint16 or codes.ndim != 2:
        shape = "x".join(str(side) for side in codes.shape)
        raise CompressedImageError(
            f"sparse depth is a compressed image of {shape} {codes.dtype}: depth needs a PNG with "
            "one channel of 16 bits, a JPEG cannot hold it"
        )
    return codes


def _decode(data: memoryview, flags: int, what: str) -> NDArray:  # type: ignore[type-arg]
    size = _size(bytes(data[: 1 << 20]))
    if size is None:
        raise CompressedImageError(
            f"{what} is neither JPEG nor PNG, or was cut off ({len(data)} bytes)"
        )
    width, height = size
    if not 0 < width * height <= LARGEST_IMAGE:
        raise CompressedImageError(
            f"{what} says that it is {width}x{height}: at most {LARGEST_IMAGE:,} pixels are decoded"
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise CompressedImageError(f"{what} cannot be decoded: its {len(data)} bytes are damaged")
    return pixels


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header of a PNG or JPEG, None if there is none."""
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if not data.startswith(_JPEG):
        return None
    at = len(_JPEG)
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
