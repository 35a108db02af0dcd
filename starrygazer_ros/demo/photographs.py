"""A photograph with measured depth that anyone can install."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics

# Calibration in the documentation of skimage.data.stereo_motorcycle.
_FOCAL = 994.978
_CENTRE = (311.193, 254.877)
_BASELINE = 0.193001  # metres
_CENTRE_SHIFT = 31.086  # right camera's principal point minus the left one's, pixels


@dataclass(frozen=True)
class Photograph:
    """One image and its depth.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        depth: float32 [H, W] metres, 0 = unknown.
        intrinsics: of the camera.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    intrinsics: Intrinsics


def motorcycle() -> Photograph:
    """The Middlebury motorcycle, 741x500 pixels, 2.1 to 5.0 m, from the scikit-image wheel.

    Raises:
        ImportError: scikit-image is missing.
        OSError: this version of scikit-image has to download the photograph, and could not.
    """
    from skimage import data

    image, _, disparity = data.stereo_motorcycle()
    known = np.isfinite(disparity) & (disparity > 0)
    disparity = np.where(known, disparity, np.float32(0))
    depth = _BASELINE * _FOCAL / (disparity + _CENTRE_SHIFT)
    height, width = depth.shape
    intrinsics = Intrinsics(_FOCAL, _FOCAL, *_CENTRE, width=width, height=height)
    return Photograph(image, np.where(known, depth, 0).astype(np.float32), intrinsics)
