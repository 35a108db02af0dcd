"""Image and sparse depth of a pair of messages as arrays in the same pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.calibration import CalibrationCache, MissingCameraInfoError
from starrygazer_ros.cloud_projector import CloudProjector, ProjectedCloud
from starrygazer_ros.completion import SizeMismatchError, seen_by
from starrygazer_ros.headers import NANOSECONDS, frame_of, stamp_of
from starrygazer_ros.messages import MessageError


class OtherFrameError(MessageError):
    """The sparse depth is in another frame than the image, so its pixels may be others."""

    cause = "other_frame"


class StampOffsetError(MessageError):
    """Image and sparse depth were taken at different times, so what moved does not match."""

    cause = "stamp_offset"


@dataclass(frozen=True)
class PairArrays:
    """What a pair holds.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
        hidden: points of a cloud that the camera cannot see from its place and that are left out.
        timings: seconds per stage, ``convert`` and with a cloud ``projection``.
        doubts: why the depth may be wrong although it can be completed.
    """

    image: NDArray[np.uint8]
    sparse_depth: NDArray[np.float32]
    hidden: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[MessageError, ...] = ()


class PairReader:
    """Reads pairs, each by the newest calibrations at that moment.

    Args:
        read_image: pixels of a message, uint8 [H, W, 3] RGB.
        sparse_depth: depths of a message, float32 [H', W'] metres, 0 = none; or what projects
            messages that are point clouds.

    Attributes:
        calibrations: of the images.
        sparse_calibrations: of sparse depth of another size.
        projector: of point clouds, ``None`` if the sparse depth is none.
        largest_offset: between the stamps of a pair without a doubt [s]; 0 = any.
    """

    def __init__(
        self,
        read_image: Callable[[Any], NDArray[np.uint8]],
        sparse_depth: Callable[[Any], NDArray[np.float32]] | CloudProjector,
    ) -> None:
        self.calibrations = CalibrationCache()
        self.sparse_calibrations = CalibrationCache()
        self.projector = sparse_depth if isinstance(sparse_depth, CloudProjector) else None
        self.largest_offset = 0.0
        self._read_image = read_image
        self._read_sparse_depth = None if isinstance(sparse_depth, CloudProjector) else sparse_depth

    def read(self, image: Any, sparse_depth: Any, wait: bool = True) -> PairArrays:
        """Arrays of a pair of messages.

        Args:
            image: message of the image.
            sparse_depth: message of the sparse depth or cloud.
            wait: for transforms that have not come yet.

        Raises:
            TransformError: where the LiDAR was is not known, or not yet.
            MissingCameraInfoError: a cloud cannot be projected without the image's calibration.
            SizeMismatchError: the sizes differ, and the calibrations that would help are missing.
            MessageError: another one of its subclasses: a message cannot be used.
        """
        started = time.perf_counter()
        pixels = self._read_image(image)
        if self.projector is not None:
            converted = time.perf_counter()
            projected = self._project(pixels, image, sparse_depth, self.projector, wait)
            projection = projected.projection
            timings = {
                "convert": converted - started,
                "projection": time.perf_counter() - converted,
            }
            return PairArrays(
                pixels,
                projection.depth,
                projection.hidden,
                timings,
                (*projected.doubts, *self._of_stamps(image, sparse_depth)),
            )
        assert self._read_sparse_depth is not None
        depths = self._read_sparse_depth(sparse_depth)
        if depths.shape != pixels.shape[:2]:
            depths = self._resized(depths, sparse_depth, pixels.shape, image)
        timings = {"convert": time.perf_counter() - started}
        doubts = (*_of_frames(image, sparse_depth), *self._of_stamps(image, sparse_depth))
        return PairArrays(pixels, depths, timings=timings, doubts=doubts)

    def _project(
        self,
        pixels: NDArray[np.uint8],
        image: Any,
        cloud: Any,
        projector: CloudProjector,
        wait: bool,
    ) -> ProjectedCloud:
        """Sparse depth of a cloud in the pixels of an image, by that image's calibration."""
        height, width, _ = pixels.shape
        header = image.header
        calibration = self.calibrations.find(header.frame_id, width, height, stamp_of(image))
        projector.store(calibration.camera_info)
        projected = projector.project(cloud, wait)
        if projected.projection.depth.shape != (height, width):
            rows, columns = projected.projection.depth.shape
            raise SizeMismatchError(
                f"camera_info describes an image of {columns}x{rows} by its binning and region of "
                f"interest, the image is {width}x{height}: correct it in the camera driver"
            )
        return projected

    def _resized(
        self,
        depths: NDArray[np.float32],
        sparse_depth: Any,
        image_shape: tuple[int, ...],
        image: Any,
    ) -> NDArray[np.float32]:
        """Sparse depth in the pixels of the image, by the calibration of both."""
        height, width, _ = image_shape
        rows, columns = depths.shape
        try:
            own = self.sparse_calibrations.find(
                sparse_depth.header.frame_id, columns, rows, stamp_of(sparse_depth)
            )
            of_image = self.calibrations.find(image.header.frame_id, width, height, stamp_of(image))
        except MissingCameraInfoError as error:
            raise SizeMismatchError(
                f"sparse depth is {columns}x{rows}, the image {width}x{height}: publish both in "
                f"one size, or the calibrations of both, here on camera_info and "
                f"sparse_depth/camera_info; {error}"
            ) from error
        return seen_by(depths, own.intrinsics, of_image.intrinsics)

    def _of_stamps(self, image: Any, sparse_depth: Any) -> Iterator[StampOffsetError]:
        """What the stamps of a pair say against it."""
        later = (stamp_of(sparse_depth) - stamp_of(image)) / NANOSECONDS
        if 0 < self.largest_offset < abs(later):
            side = "later" if later > 0 else "older"
            yield StampOffsetError(
                f"the sparse depth is {1000 * abs(later):.0f} ms {side} than its image (limit "
                f"{1000 * self.largest_offset:.0f} ms), so that what moves is not where the image "
                "shows it: trigger both sensors together, or let one of them send more often"
            )


def _of_frames(image: Any, sparse_depth: Any) -> Iterator[OtherFrameError]:
    """What the frames of a pair say against it; an empty one says nothing."""
    of_image, of_sparse = frame_of(image), frame_of(sparse_depth)
    if of_image and of_sparse and of_image != of_sparse:
        yield OtherFrameError(
            f"sparse depth is in frame '{of_sparse}', the image in '{of_image}', yet it is used as "
            "if its pixels were those of the image: project it into the image (of a depth camera, "
            "publish the aligned depth), or give it the image's frame_id if it is"
        )
