"""Image and sparse depth of a pair of messages as arrays in the same pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.calibration import CalibrationCache, MissingCameraInfoError
from starrygazer_ros.completion import SizeMismatchError, seen_by


class PairReader:
    """Reads pairs, each by the calibrations that came before it.

    Args:
        read_image: pixels of a message, uint8 [H, W, 3] RGB.
        read_sparse_depth: depths of a message, float32 [H', W'] metres, 0 = none.

    Attributes:
        calibrations: of the images.
        sparse_calibrations: of sparse depth of another size.
    """

    def __init__(
        self,
        read_image: Callable[[Any], NDArray[np.uint8]],
        read_sparse_depth: Callable[[Any], NDArray[np.float32]],
    ) -> None:
        self.calibrations = CalibrationCache()
        self.sparse_calibrations = CalibrationCache()
        self._read_image = read_image
        self._read_sparse_depth = read_sparse_depth

    def read(self, image: Any, sparse_depth: Any) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Arrays of a pair.

        Returns:
            The image, uint8 [H, W, 3] RGB, and its sparse depth, float32 [H, W] metres, 0 = none.

        Raises:
            SizeMismatchError: the sizes differ, and the calibrations that would help are missing.
            MessageError: one of its subclasses: a message cannot be used.
        """
        pixels = self._read_image(image)
        depths = self._read_sparse_depth(sparse_depth)
        height, width, _ = pixels.shape
        if depths.shape == (height, width):
            return pixels, depths
        rows, columns = depths.shape
        try:
            own = self.sparse_calibrations.find(sparse_depth.header.frame_id, columns, rows)
            of_image = self.calibrations.find(image.header.frame_id, width, height)
        except MissingCameraInfoError as error:
            raise SizeMismatchError(
                f"sparse depth is {columns}x{rows}, the image {width}x{height}: publish both in "
                f"one size, or the calibrations of both, here on camera_info and "
                f"sparse_depth/camera_info; {error}"
            ) from error
        return pixels, seen_by(depths, own.intrinsics, of_image.intrinsics)
