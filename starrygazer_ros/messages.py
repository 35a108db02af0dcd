"""sensor_msgs to arrays; every message that cannot be used gets its own error.

Only the attributes of a message count, so that those of a bag, read without ROS, are as good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from starrygazer_ros.completion import InputError, Intrinsics
from starrygazer_ros.depth_encodings import METRES, MILLIMETRES, decode_steps

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo, Image


LARGEST_IMAGE = 50_000_000  # pixels; a few bytes can ask for gigabytes
LARGEST_SIDE = 16_384  # pixels


class MessageError(InputError):
    """A message cannot be converted; the next one may be fine."""

    cause = "message"


class EmptyImageError(MessageError):
    """Width or height is zero."""

    cause = "empty_image"


class ImageStepError(MessageError):
    """``step`` is shorter than a row."""

    cause = "image_step"


class TruncatedDataError(MessageError):
    """``data`` holds fewer bytes than ``step * height``."""

    cause = "truncated_data"


class ImageEncodingError(MessageError):
    """The image's encoding is not supported."""

    cause = "image_encoding"


class SparseDepthEncodingError(MessageError):
    """The sparse depth is neither 32FC1 nor 16UC1."""

    cause = "sparse_depth_encoding"


class UnusableCameraInfoError(MessageError):
    """The CameraInfo holds no usable calibration, for example a focal length of zero."""

    cause = "unusable_camera_info"


@dataclass(frozen=True)
class _Layout:
    """How an encoding lies in memory and how it becomes RGB."""

    dtype: DTypeLike
    channels: int
    to_rgb: Callable[[NDArray], NDArray[np.uint8]]  # type: ignore[type-arg]
    even_width: bool = False
    smallest_side: int = 1


def _colour(code: int) -> Callable[[NDArray], NDArray[np.uint8]]:  # type: ignore[type-arg]
    return lambda pixels: cv2.cvtColor(pixels, code)


def _mono16(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The full 16-bit range to 8 bits, as image pipelines do."""
    high_byte = (pixels >> 8).astype(np.uint8)
    return cv2.cvtColor(high_byte, cv2.COLOR_GRAY2RGB)


def _bayer(code: int) -> _Layout:
    # OpenCV interpolates from both neighbours and has no rule for narrower images.
    return _Layout(np.uint8, 1, _colour(code), smallest_side=3)


def _yuv422(code: int) -> _Layout:
    return _Layout(np.uint8, 2, _colour(code), even_width=True)


# OpenCV names a Bayer pattern by its second row and column, ROS by the first: rggb is "BG" there.
IMAGE_LAYOUTS = {
    "rgb8": _Layout(np.uint8, 3, lambda pixels: pixels),
    "bgr8": _Layout(np.uint8, 3, _colour(cv2.COLOR_BGR2RGB)),
    "rgba8": _Layout(np.uint8, 4, _colour(cv2.COLOR_RGBA2RGB)),
    "bgra8": _Layout(np.uint8, 4, _colour(cv2.COLOR_BGRA2RGB)),
    "mono8": _Layout(np.uint8, 1, _colour(cv2.COLOR_GRAY2RGB)),
    "mono16": _Layout(np.uint16, 1, _mono16),
    "bayer_rggb8": _bayer(cv2.COLOR_BAYER_BG2RGB),
    "bayer_bggr8": _bayer(cv2.COLOR_BAYER_RG2RGB),
    "bayer_gbrg8": _bayer(cv2.COLOR_BAYER_GR2RGB),
    "bayer_grbg8": _bayer(cv2.COLOR_BAYER_GB2RGB),
    "yuv422": _yuv422(cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": _yuv422(cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": _yuv422(cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": _yuv422(cv2.COLOR_YUV2RGB_YUY2),
}


def image_from_message(message: Image) -> NDArray[np.uint8]:
    """Pixels of a camera image.

    Args:
        message: any encoding of ``IMAGE_LAYOUTS``; ``step`` and ``is_bigendian`` are respected.

    Returns:
        uint8 [H, W, 3] RGB, for rgb8 without padding a view of the message's data.

    Raises:
        MessageError: one of its subclasses.
    """
    layout = IMAGE_LAYOUTS.get(message.encoding)
    if layout is None:
        return _by_cv_bridge(message)
    if layout.even_width and message.width % 2:
        raise ImageEncodingError(
            f"a {message.encoding} image has an even width, this one is {message.width} pixels wide"
        )
    pixels = _pixels(message, "image", layout.dtype, layout.channels)
    if min(pixels.shape[:2]) < layout.smallest_side:
        raise ImageEncodingError(
            f"a {message.encoding} image has at least {layout.smallest_side} rows and columns, "
            f"this one is {message.width}x{message.height}"
        )
    return layout.to_rgb(pixels)


def _by_cv_bridge(message: Image) -> NDArray[np.uint8]:
    """An encoding that is rare, by ROS's own package where it is installed."""
    bridge, reason = _cv_bridge()
    if bridge is None:
        raise ImageEncodingError(
            f"image encoding '{message.encoding}' is not supported: use one of "
            f"{', '.join(IMAGE_LAYOUTS)}, or install cv_bridge ({reason})"
        )
    _require_data(message, "image")
    try:
        return np.ascontiguousarray(bridge.imgmsg_to_cv2(message, "rgb8"), np.uint8)
    except Exception as error:  # its own, cv2's, numpy's and those of its compiled part
        raise ImageEncodingError(
            f"cv_bridge cannot convert image encoding '{message.encoding}' to rgb8: {error}"
        ) from error


@lru_cache(1)
def _cv_bridge() -> tuple[Any, str]:
    """The bridge, or None and why not."""
    try:
        return import_module("cv_bridge").CvBridge(), ""
    except Exception as error:  # an ABI clash with numpy 2 is no ImportError
        return None, " ".join(str(error).split())


def sparse_depth_from_message(message: Image) -> NDArray[np.float32]:
    """Sparse depth of a 32FC1 (metres) or 16UC1 (millimetres) image (REP 118).

    Returns:
        float32 [H, W] metres; 0, NaN, +-Inf, negative values and 65535 mm are 0 = none.

    Raises:
        MessageError: one of its subclasses.
    """
    if message.encoding == MILLIMETRES:
        return decode_steps(_pixels(message, "sparse depth", np.uint16, 1))
    if message.encoding == METRES:
        metres = _pixels(message, "sparse depth", np.float32, 1)
        valid = np.isfinite(metres) & (metres > 0)
        return np.where(valid, metres, np.float32(0))
    raise SparseDepthEncodingError(
        f"sparse depth encoding '{message.encoding}' is not supported: use 32FC1 in metres or "
        "16UC1 in millimetres"
    )


def _pixels(message: Image, what: str, dtype: DTypeLike, channels: int) -> NDArray:  # type: ignore[type-arg]
    """Pixels in the host's byte order, [H, W] or [H, W, channels], without a copy if possible."""
    _require_data(message, what)
    height, width, step = message.height, message.width, message.step
    item = np.dtype(dtype).itemsize
    row = width * channels * item
    if step < row:
        raise ImageStepError(
            f"{what} has a step of {step} bytes, but a row of {width} {message.encoding} pixels "
            f"has {row}: set step to at least that in the publisher"
        )
    order = ">" if message.is_bigendian else "<"
    shape, strides = (height, width, channels), (step, channels * item, item)
    if channels == 1:
        shape, strides = (height, width), (step, item)
    pixels = np.ndarray(shape, np.dtype(dtype).newbyteorder(order), message.data, strides=strides)
    return np.ascontiguousarray(pixels, dtype=dtype)


def _require_data(message: Image, what: str) -> None:
    """There are pixels, and ``data`` holds all rows.

    Raises:
        EmptyImageError: there are none.
        TruncatedDataError: rows are missing.
    """
    height, width, step = message.height, message.width, message.step
    if height == 0 or width == 0:
        raise EmptyImageError(f"{what} is {width}x{height}: the publisher sends an empty image")
    size = len(message.data)
    if size < step * height:
        raise TruncatedDataError(
            f"{what} has {size} bytes of data instead of {step * height} "
            f"({height} rows of {step}): the message was cut off or its size is wrong"
        )


def intrinsics_from_message(message: CameraInfo) -> Intrinsics:
    """Intrinsics of the rectified image: P where it is set, else K.

    Raises:
        UnusableCameraInfoError: no usable calibration; says what is wrong with it.
    """
    if message.p[0] != 0.0:
        fx, cx, fy, cy = message.p[0], message.p[2], message.p[5], message.p[6]
    else:
        fx, cx, fy, cy = message.k[0], message.k[2], message.k[4], message.k[5]
    sender = f"camera_info of frame '{message.header.frame_id}' cannot be used"
    if not all(np.isfinite(values).all() for values in (message.k, message.r, message.p)):
        raise UnusableCameraInfoError(
            f"{sender}: K, R or P holds NaN or infinite numbers: is the camera calibrated?"
        )
    if fx == 0.0 or fy == 0.0:  # what drivers send that have no calibration
        raise UnusableCameraInfoError(
            f"{sender}: zero focal length (fx={fx}, fy={fy}): is the camera calibrated?"
        )
    try:
        return Intrinsics(float(fx), float(fy), float(cx), float(cy), message.width, message.height)
    except ValueError as error:
        raise UnusableCameraInfoError(f"{sender}: {error}") from error
