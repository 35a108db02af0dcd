"""Point clouds out of dense depth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics, back_project
from starrygazer_ros.completion.flying_pixels import flying_pixels

XYZ, XYZRGB, XYZI = CLOUD_FIELDS = ("xyz", "xyzrgb", "xyzi")
_FIELDS = {
    XYZ: ("x", "y", "z"),
    XYZRGB: ("x", "y", "z", "rgb"),
    XYZI: ("x", "y", "z", "intensity"),
}


@dataclass(frozen=True)
class CloudOptions:
    """What a cloud holds.

    Attributes:
        fields: ``xyz``, ``xyzrgb`` (the image's colours) or ``xyzi`` (intensity = confidence).
        organized: keep the image's rows and columns, points that are left out as NaN; otherwise
            one row without them.
        stride: keep every so many rows and columns.
        min_confidence: leave out less confident points.
        edge_ratio: leave out flying pixels, see :func:`flying_pixels`; 0 = keep them.
    """

    fields: str = XYZRGB
    organized: bool = True
    stride: int = 1
    min_confidence: float = 0.0
    edge_ratio: float = 0.0


@dataclass(frozen=True)
class Cloud:
    """A point cloud in the layout of PointCloud2.

    Attributes:
        points: float32 [rows, points in a row, fields], metres; fields beside x, y and z as PCL
            reads them.
        names: of the fields.
        is_dense: no point is NaN.
    """

    points: NDArray[np.float32]
    names: tuple[str, ...]
    is_dense: bool

    @property
    def layout(self) -> tuple[int, int, int]:
        """Rows, points in a row, bytes of a point."""
        height, width, _ = self.points.shape
        return height, width, self.points.itemsize * len(self.names)

    @property
    def offsets(self) -> dict[str, int]:
        """First byte of each field in its point."""
        return {name: self.points.itemsize * index for index, name in enumerate(self.names)}


def make_cloud(
    depth: NDArray[np.float32],
    image: NDArray[np.uint8],
    confidence: NDArray[np.float32],
    intrinsics: Intrinsics,
    options: CloudOptions,
) -> Cloud:
    """Point cloud of a dense depth in the camera's optical frame (REP 103).

    Args:
        depth: float32 [H, W] metres, NaN = unknown.
        image: uint8 [H, W, 3] RGB.
        confidence: float32 [H, W] in 0..1.
        intrinsics: of the same size.
        options: what the cloud holds.
    """
    names = _FIELDS[options.fields]
    every = (slice(None, None, options.stride),) * 2
    kept = _kept(depth, confidence, options)[every]
    # Written in place: arrays of this size cost more to allocate than to fill.
    cloud = np.empty((*kept.shape, len(names)), np.float32)  # [H, W, 3 or 4]
    back_project(kept, intrinsics.subsampled(options.stride), out=cloud[..., :3])
    if options.fields == XYZRGB:
        cloud[..., 3] = _packed_rgb(np.ascontiguousarray(image[every]))
    elif options.fields == XYZI:
        cloud[..., 3] = confidence[every]
    known = np.isfinite(kept)
    is_dense = bool(known.all())
    if not options.organized:
        points = cloud.reshape(-1, len(names))
        # compress() takes rows ten times as fast as a boolean index does.
        cloud = (points if is_dense else points.compress(known.ravel(), axis=0))[None]
        is_dense = True
    return Cloud(cloud, names, is_dense)


def _kept(
    depth: NDArray[np.float32], confidence: NDArray[np.float32], options: CloudOptions
) -> NDArray[np.float32]:
    """The depth without what the options leave out, as NaN."""
    left_out = np.zeros(depth.shape, np.bool_)
    if options.min_confidence > 0:
        left_out |= ~(confidence >= options.min_confidence)  # a NaN is not confident either
    if options.edge_ratio > 0:
        left_out |= flying_pixels(depth, options.edge_ratio)
    return np.where(left_out, np.float32(np.nan), depth) if left_out.any() else depth


def _packed_rgb(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """0x00RRGGBB per pixel, the bits that PCL and RViz read from the float field ``rgb``."""
    blue_first = cv2.cvtColor(image, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0]
    packed = blue_first & np.uint32(0x00FFFFFF)  # without alpha: with it some colours are NaN
    return packed.view(np.float32)
