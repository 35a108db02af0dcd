"""Pinhole camera geometry in the optical frame (x right, y down, z forward; REP 103)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole intrinsics of an undistorted image, in pixels; pixel centres at integers.

    Raises:
        ValueError: focal lengths not positive and finite, centre not finite, or size not positive.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        focal = (self.fx, self.fy)
        if not all(np.isfinite(f) and f > 0 for f in focal):
            raise ValueError(
                f"focal lengths must be positive and finite, got fx={self.fx}, fy={self.fy}: "
                "is the camera calibrated?"
            )
        if not (np.isfinite(self.cx) and np.isfinite(self.cy)):
            raise ValueError(f"principal point must be finite, got cx={self.cx}, cy={self.cy}")
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"image size must be positive, got {self.width}x{self.height}")

    def scaled(self, height: int, width: int) -> Intrinsics:
        """Of an image of another size that shows the same.

        A pixel's centre keeps its place in the picture: ``u' + 1/2 = (u + 1/2) width' / width``.
        """
        rows, columns = height / self.height, width / self.width
        return Intrinsics(
            fx=self.fx * columns,
            fy=self.fy * rows,
            cx=(self.cx + 0.5) * columns - 0.5,
            cy=(self.cy + 0.5) * rows - 0.5,
            width=width,
            height=height,
        )

    def subsampled(self, stride: int) -> Intrinsics:
        """Of every ``stride``-th row and column, from the first on: ``u' = u / stride``."""
        return Intrinsics(
            fx=self.fx / stride,
            fy=self.fy / stride,
            cx=self.cx / stride,
            cy=self.cy / stride,
            width=-(-self.width // stride),
            height=-(-self.height // stride),
        )


def seen_by(
    depth: NDArray[np.float32], camera: Intrinsics, other: Intrinsics
) -> NDArray[np.float32]:
    """Sparse depth in the pixels of another camera at the same place with the same orientation.

    Args:
        depth: float32 [H, W] metres along the optical axis, 0 or NaN = none.
        camera: that of ``depth``.
        other: the other one.

    Returns:
        float32 [H', W'] metres, 0 = none; of several points in a pixel the nearest.

    Raises:
        ValueError: size of depth and of its camera differ.
    """
    _require_size(depth, camera)
    v, u = np.nonzero(depth > 0)
    z = depth[v, u]
    u_other = np.rint(other.fx * (u - camera.cx) / camera.fx + other.cx).astype(np.int64)
    v_other = np.rint(other.fy * (v - camera.cy) / camera.fy + other.cy).astype(np.int64)
    inside = (u_other >= 0) & (u_other < other.width) & (v_other >= 0) & (v_other < other.height)
    pixels = (v_other * other.width + u_other)[inside]
    return nearest_of_each_pixel(pixels, z[inside], other.height, other.width)


def measured_places(sparse_depth: NDArray[np.float32]) -> NDArray[np.intp]:
    """Where a sparse depth image has measurements: row times width plus column, ascending."""
    return np.flatnonzero(sparse_depth > 0)  # of bytes, which is ten times as fast as of floats


def nearest_of_each_pixel(
    pixels: NDArray[np.integer], depth: NDArray[np.float32], height: int, width: int
) -> NDArray[np.float32]:
    """Depth image of points; of several in a pixel the nearest.

    Args:
        pixels: int [N], row times ``width`` plus column.
        depth: float32 [N] metres.
        height: of the image.
        width: of the image.

    Returns:
        float32 [height, width] metres, 0 = none.
    """
    nearest = np.full(height * width, np.inf, np.float32)
    np.minimum.at(nearest, pixels, depth)
    nearest[np.isinf(nearest)] = 0
    return nearest.reshape(height, width)


@np.errstate(over="ignore", invalid="ignore")  # of intrinsics that mean nothing
def back_project(
    depth: NDArray[np.float32],
    intrinsics: Intrinsics,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Points of a depth image: ``x = (u - cx) z / fx``, ``y = (v - cy) z / fy`` (REP 118).

    Args:
        depth: float32 [H, W], metres along the optical axis, NaN = unknown.
        intrinsics: of the same size as ``depth``.
        out: float32 [H, W, 3] to write into, such as a part of a larger array; default: a new one.

    Returns:
        float32 [H, W, 3], metres in the optical frame, NaN where depth is NaN, infinite beyond all
        numbers.

    Raises:
        ValueError: size of depth and intrinsics differ.
    """
    _require_size(depth, intrinsics)
    height, width = depth.shape
    x = ((np.arange(width) - intrinsics.cx) / intrinsics.fx).astype(np.float32)
    y = ((np.arange(height) - intrinsics.cy) / intrinsics.fy).astype(np.float32)
    points = np.empty((height, width, 3), np.float32) if out is None else out
    np.multiply(depth, x[None, :], out=points[..., 0])
    np.multiply(depth, y[:, None], out=points[..., 1])
    points[..., 2] = depth
    return points


def _require_size(depth: NDArray[np.float32], intrinsics: Intrinsics) -> None:
    height, width = depth.shape
    if (width, height) != (intrinsics.width, intrinsics.height):
        raise ValueError(
            f"depth is {width}x{height} but the intrinsics are for "
            f"{intrinsics.width}x{intrinsics.height}"
        )
