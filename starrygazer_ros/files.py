"""Images and depth maps in files: the formats that the command line reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.geometry import Intrinsics, back_project
from starrygazer_ros.depth_encodings import SATURATED, decode_steps
from starrygazer_ros.encoded_images import is_whole, read_header
from starrygazer_ros.messages import LARGEST_IMAGE
from starrygazer_ros.npy import ARCHIVE, array_of_npy

KITTI_DEPTH_SCALE = 256.0
"""Steps per metre in the 16-bit PNG files of KITTI; 1000 for files in millimetres."""


class FileError(Exception):
    """A file cannot be read or written; the message names it and says what to do."""


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read any image that OpenCV knows.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        FileError: missing, truncated or not an image.
    """
    return cv2.cvtColor(_decode(Path(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.uint8)


def read_sparse_depth(
    path: str | Path,
    scale: float = KITTI_DEPTH_SCALE,
    on_negative: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """Read sparse depth from a 16-bit PNG or a .npy file.

    Args:
        path: ``.npy`` holds metres as floating point numbers, everything else is an image.
        scale: steps per metre of the image, 0 and 65535 = no measurement.
        on_negative: called with the number of negative values, if there are any.

    Returns:
        float32 [H, W] metres, 0 or NaN = none; negative values have become 0.

    Raises:
        FileError: missing, damaged, or not in one of the two forms.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        sparse_depth = _read_npy(path)
        negative = sparse_depth < 0
        if negative.any():
            sparse_depth[negative] = 0
            on_negative(int(np.count_nonzero(negative)))
        return sparse_depth
    stored = _decode(path, cv2.IMREAD_UNCHANGED)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        channels = 1 if stored.ndim == 2 else stored.shape[2]
        raise FileError(
            f"{path} has {channels} channel(s) of {8 * stored.itemsize} bits: sparse depth must "
            "be a 16-bit PNG with one channel (8 bits are too coarse), or a .npy file in metres"
        )
    return decode_steps(stored, scale)


def write_depth_png(
    path: Path, depth: NDArray[np.float32], scale: float = KITTI_DEPTH_SCALE
) -> int:
    """Write a 16-bit PNG: ``round(depth * scale)``, 0 = unknown.

    Args:
        path: file to write.
        depth: float32 [H, W] metres, NaN = unknown.
        scale: steps per metre.

    Returns:
        How many pixels were too far for 16 bits and were stored as the largest value.

    Raises:
        FileError: the file cannot be written.
    """
    known = np.isfinite(depth)
    steps = np.rint(np.where(known, depth, 0).astype(np.float64) * scale)
    # A known depth must not become 0, which says unknown.
    stored = np.where(known, np.clip(steps, 1, SATURATED), 0).astype(np.uint16)
    _encode(path, stored)
    return int(np.count_nonzero(steps > SATURATED))


def write_confidence_png(path: Path, confidence: NDArray[np.float32]) -> None:
    """Write an 8-bit grey PNG: ``round(255 * confidence)``.

    Args:
        path: file to write.
        confidence: float32 [H, W] in 0..1.

    Raises:
        FileError: the file cannot be written.
    """
    _encode(path, np.rint(np.clip(confidence, 0, 1) * 255).astype(np.uint8))


def write_npy(path: Path, values: NDArray[np.float32]) -> None:
    """Write a float32 map as it is: depth in metres, NaN = unknown, or confidence.

    Raises:
        FileError: the file cannot be written.
    """
    content = BytesIO()  # NumPy tells no reason when it writes to a full disk itself
    np.save(content, values.astype(np.float32), allow_pickle=False)
    _write(path, content.getvalue())


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write uint8 [H, W, 3] RGB in the format of the name's ending.

    Raises:
        FileError: the file cannot be written.
    """
    _encode(path, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def write_point_cloud(
    path: Path,
    depth: NDArray[np.float32],
    image: NDArray[np.uint8],
    intrinsics: Intrinsics,
) -> int:
    """Write a coloured point cloud as binary PLY, in the optical frame, metres.

    Args:
        path: file to write.
        depth: float32 [H, W] metres, NaN = unknown (no point).
        image: uint8 [H, W, 3] RGB.
        intrinsics: of both.

    Returns:
        The number of points.

    Raises:
        FileError: the file cannot be written.
    """
    points = back_project(depth, intrinsics)
    known = np.isfinite(depth)
    vertices = np.empty(
        int(np.count_nonzero(known)), dtype=[("position", "<f4", 3), ("colour", "u1", 3)]
    )
    vertices["position"] = points[known]
    vertices["colour"] = image[known]
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    )
    _write(path, header.encode("ascii") + vertices.tobytes())
    return len(vertices)


def _read_npy(path: Path) -> NDArray[np.float32]:
    content = _read(path)
    if content.startswith(ARCHIVE):
        raise FileError(f"{path} is an archive of arrays: save one array with numpy.save")
    try:
        array = array_of_npy(content)
    except ValueError as error:
        raise FileError(f"{path} is not a readable .npy file: {error}") from error
    if not np.issubdtype(array.dtype, np.floating) or array.ndim != 2:
        raise FileError(
            f"{path} holds {array.dtype!s:.99} {list(array.shape)}: sparse depth must be "
            "floating point [H, W] in metres"
        )
    return array.astype(np.float32)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error


def _decode(path: Path, mode: int) -> NDArray:  # type: ignore[type-arg]
    content = _read(path)
    header = read_header(content)
    if header is not None and header.width * header.height > LARGEST_IMAGE:
        raise FileError(
            f"{path} says that it is {header.width}x{header.height}: at most {LARGEST_IMAGE:,} "
            "pixels are decoded"
        )
    if not is_whole(content):
        raise FileError(f"{path} is truncated or damaged ({len(content)} bytes): copy it again")
    try:
        array = cv2.imdecode(np.frombuffer(content, np.uint8), mode) if content else None
    except cv2.error as error:  # such as a header that claims more pixels than OpenCV allows
        raise FileError(f"{path} cannot be decoded: {error.err}") from error
    if array is None:
        raise FileError(f"{path} is not an image that OpenCV can read")
    return array


def _encode(path: Path, array: NDArray) -> None:  # type: ignore[type-arg]
    try:
        encoded, content = cv2.imencode(path.suffix, array)
    except cv2.error as error:
        raise FileError(f"{path}: no image format has this ending") from error
    if not encoded:
        raise FileError(f"{path} cannot be encoded as {path.suffix}")
    _write(path, content.tobytes())


def _write(path: Path, content: bytes) -> None:
    begun = False
    try:
        with path.open("wb") as file:
            begun = True
            file.write(content)
    except OSError as error:
        if begun and path.is_file():  # half of it, which nobody shall take for the whole
            path.unlink()
        raise FileError(f"{path} cannot be written: {error.strerror}") from error
