"""Where the true depth jumps: the pixels on which depth completion is won or lost."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

RATIO = 1.1  # farther over nearer depth of two neighbours with an edge between them
RADIUS = 5.0  # pixels


def depth_edges(truth: NDArray[np.float32], ratio: float = RATIO) -> NDArray[np.bool_]:
    """Pixels on both sides of a depth discontinuity.

    Between two of the four neighbours there is an edge where the farther depth is more than
    ``ratio`` times the nearer one, as in the occluding contours of Bochkovskii et al., "Depth
    Pro", ICLR 2025. Holes take their nearest known depth first: stereo and structured light have
    a shadow beside every near object, and the edge is in it.

    Args:
        truth: float32 [H, W] metres, 0 or NaN = unknown; dense but for holes.
        ratio: above 1.

    Returns:
        bool [H, W], all False where nothing is known.
    """
    edges = np.zeros(truth.shape, bool)
    known = truth > 0
    if not known.any():
        return edges
    rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
    log_depth = np.log(truth[rows, columns])
    for axis in (0, 1):
        jump = np.abs(np.diff(log_depth, axis=axis)) > np.log(ratio)
        after = np.pad(jump, [(1, 0) if a == axis else (0, 0) for a in (0, 1)])
        before = np.pad(jump, [(0, 1) if a == axis else (0, 0) for a in (0, 1)])
        edges |= before | after
    return edges


def near_depth_edges(truth: NDArray[np.float32], radius: float = RADIUS) -> NDArray[np.bool_]:
    """Pixels at most ``radius`` pixels from a pixel of :func:`depth_edges`.

    Args:
        truth: float32 [H, W] metres, 0 or NaN = unknown; dense but for holes.
        radius: pixels, Euclidean.

    Returns:
        bool [H, W].
    """
    away = (~depth_edges(truth)).astype(np.uint8)
    if away.all():
        return np.zeros(truth.shape, bool)
    distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= radius, np.bool_)
