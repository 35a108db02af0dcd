"""sensor_msgs/CompressedImage to arrays: JPEG and PNG, and depth as image_transport sends it.

The layout of ``compressedDepth`` and the words of ``format`` are those of the packages
compressed_image_transport and compressed_depth_image_transport. Of ``format`` of an image only the
encoding in front is read, for Bayer patterns, which are sent as they are in a grey image. The words
behind it, such as ``jpeg compressed rgb8``, would mean that red and blue are exchanged in the file;
but who writes them by hand sends ordinary files, so that the file is believed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.depth_encodings import decode_steps
from starrygazer_ros.encoded_images import ImageHeader, is_whole, read_header
from starrygazer_ros.messages import IMAGE_LAYOUTS, LARGEST_IMAGE, MessageError

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage

RAW, COMPRESSED, COMPRESSED_DEPTH = "raw", "compressed", "compressedDepth"
IMAGE_TRANSPORTS = (RAW, COMPRESSED)
SPARSE_DEPTH_TRANSPORTS = (RAW, COMPRESSED, COMPRESSED_DEPTH)

_DEPTH_HEADER = struct.Struct("<iff")  # format, two parameters of the quantisation
# A camera's image is as its camera_info says, whatever an EXIF orientation wants. Grey stays grey.
_IMAGE = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION


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
    pixels = _decode(bytes(message.data), _IMAGE, "image")
    if pixels.ndim == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    encoding = message.format.split(";")[0].strip()
    # 16 bits have become 8; the pattern is the same.
    layout = IMAGE_LAYOUTS.get(f"{encoding.removesuffix('16').removesuffix('8')}8")
    if not encoding.startswith("bayer") or layout is None:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    if min(pixels.shape) < layout.smallest_side:
        height, width = pixels.shape
        raise CompressedImageError(
            f"a {encoding} image has at least {layout.smallest_side} rows and columns, this one is "
            f"{width}x{height}"
        )
    return layout.to_rgb(pixels)


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
    data = bytes(message.data)
    if COMPRESSED_DEPTH not in message.format:
        return decode_steps(_decode_depth(data))
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
        return decode_steps(codes)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        depth = np.float32(scale) / (codes.astype(np.float32) - np.float32(offset))
    return np.where((codes > 0) & np.isfinite(depth) & (depth > 0), depth, np.float32(0))


def _decode_depth(content: bytes) -> NDArray[np.uint16]:
    return _decode(content, cv2.IMREAD_UNCHANGED, "sparse depth", _require_depth)


def _require_depth(header: ImageHeader) -> None:
    if (header.channels, header.bits) != (1, 16):
        raise CompressedImageError(
            f"sparse depth is a compressed image of {header.channels} channel(s) of {header.bits} "
            "bits: depth needs a PNG with one channel of 16 bits, a JPEG cannot hold it"
        )


def _decode(
    content: bytes,
    flags: int,
    what: str,
    require: Callable[[ImageHeader], None] = lambda _: None,
) -> NDArray:  # type: ignore[type-arg]
    """Pixels of a whole PNG or JPEG with an acceptable header; the decoder sees nothing else."""
    header = read_header(content)
    if header is None:
        raise CompressedImageError(
            f"{what} is neither JPEG nor PNG, or was cut off ({len(content)} bytes)"
        )
    if not 0 < header.width * header.height <= LARGEST_IMAGE:
        raise CompressedImageError(
            f"{what} says that it is {header.width}x{header.height}: at most {LARGEST_IMAGE:,} "
            "pixels are decoded"
        )
    require(header)
    try:
        whole = is_whole(content)
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if whole else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise CompressedImageError(
            f"{what} cannot be decoded: its {len(content)} bytes are damaged or were cut off"
        )
    return pixels
