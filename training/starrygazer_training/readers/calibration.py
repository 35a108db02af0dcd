"""Camera matrices as the data sets store them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics
from starrygazer_training.readers.errors import DatasetLayoutError
from starrygazer_training.readers.files import read_lines

_FOUR_NAMES = ("fx", "fy", "cx", "cy")


def read_matrix_text(path: Path, width: int, height: int) -> Intrinsics:
    """Read a camera matrix K of nine numbers in row-major order, on one line or on three.

    Four numbers ``fx fy cx cy`` are read too.

    Raises:
        DatasetLayoutError: missing, not text, or no camera matrix without skew.
    """
    numbers = _numbers(path, " ".join(read_lines(path)).replace(",", " ").split())
    if numbers.size == 4:
        return _intrinsics(path, numbers, width, height)
    if numbers.size == 9:
        matrix = numbers.reshape(3, 3)
        zeros = matrix[[0, 1, 2, 2], [1, 0, 0, 1]]
        if np.allclose(zeros, 0, atol=1e-6) and np.isclose(matrix[2, 2], 1):
            return _intrinsics(path, matrix[[0, 1, 0, 1], [0, 1, 2, 2]], width, height)
    raise DatasetLayoutError(
        path,
        expected="a camera matrix [fx 0 cx; 0 fy cy; 0 0 1], or fx fy cx cy",
        found=f"{numbers.size} numbers: {' '.join(f'{n:g}' for n in numbers[:12])}",
        remedy="Write the matrix row by row.",
    )


def read_kitti_calibration(path: Path, camera: str, width: int, height: int) -> Intrinsics:
    """Read ``P_rect_02`` or ``P_rect_03`` from KITTI raw's ``calib_cam_to_cam.txt``.

    Args:
        path: of the file.
        camera: ``image_02`` or ``image_03``.
        width: of the image, pixels.
        height: of the image, pixels.

    Raises:
        DatasetLayoutError: missing, not text, or without a 3x4 matrix of that name.
    """
    name = "P_rect_" + camera.removeprefix("image_")
    entries = dict(line.split(":", 1) for line in read_lines(path) if ":" in line)
    values = entries.get(name, "").split()
    if len(values) != 12:
        raise DatasetLayoutError(
            path,
            expected=f"a line '{name}:' with 12 numbers",
            found=f"{len(values)} numbers" if name in entries else "no such line",
            remedy="Take calib_cam_to_cam.txt of the same date from KITTI raw.",
        )
    projection = _numbers(path, values).reshape(3, 4)
    return _intrinsics(path, projection[[0, 1, 0, 1], [0, 1, 2, 2]], width, height)


def read_yaml(path: Path, width: int, height: int) -> Intrinsics:
    """Read ``fx``, ``fy``, ``cx``, ``cy`` and, if they are given, ``width`` and ``height``.

    Raises:
        DatasetLayoutError: missing, not YAML, a value missing or not a number.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetLayoutError(
            path, expected="a YAML file", found=str(error), remedy="Write fx, fy, cx and cy in it."
        ) from error
    if not isinstance(content, dict) or not all(name in content for name in _FOUR_NAMES):
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise DatasetLayoutError(
            path,
            expected="fx, fy, cx and cy in pixels",
            found=str(found),
            remedy="Write one 'name: value' per line; width and height may be given too.",
        )
    values = _numbers(path, [str(content[name]) for name in _FOUR_NAMES])
    given = [content.get("width", width), content.get("height", height)]
    size = _numbers(path, [str(number) for number in given])
    if not (np.isfinite(size).all() and (size == np.rint(size)).all()):
        raise DatasetLayoutError(
            path,
            expected="width and height in whole pixels",
            found=" and ".join(str(number) for number in given),
            remedy="Give the size of the images.",
        )
    return _intrinsics(path, values, int(size[0]), int(size[1]))


def _numbers(path: Path, texts: list[str]) -> NDArray[np.float64]:
    try:
        return np.array([float(text) for text in texts])
    except ValueError as error:
        raise DatasetLayoutError(
            path, expected="numbers", found=str(error), remedy="Write plain decimal numbers."
        ) from error


def _intrinsics(path: Path, four: NDArray[np.float64], width: int, height: int) -> Intrinsics:
    fx, fy, cx, cy = map(float, four)
    try:
        return Intrinsics(fx, fy, cx, cy, width, height)
    except (ValueError, OverflowError) as error:
        raise DatasetLayoutError(
            path,
            expected="intrinsics of a pinhole camera",
            found=str(error),
            remedy="Check the calibration.",
        ) from error
