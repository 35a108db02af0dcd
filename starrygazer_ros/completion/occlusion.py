"""Background points that a LiDAR beside the camera sees past the edges of nearer objects.

Projected into the image they lie among the points of the object that hides them, and a completion
that believes them puts holes into it. One such point cannot be told from a right one beside a thin
object, but an image full of them can: then many points have nearer ones on the left *and* on the
right. Only then all points are dropped that have a nearer one close by.

A point that is nearer or farther than all around it may as well be an outlier, so it is no evidence
for either; an image with many such points is left alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

NEARER = 1.2  # ratio of two depths that are not of one surface
COLUMNS, ROWS = 1 / 200, 1 / 300  # how far around a point, in widths of the image: parallax is
# the focal length times the distance of the sensors over depth, so it grows with the width
SURROUNDED = 0.02  # share of all points with nearer ones on both sides in an image full of them
OF_THOSE_BESIDE = 0.38  # the same, of those with a nearer one on any side
LEAST_SURROUNDED = 50  # points; fewer say nothing about the image
MOST_ALONE = 0.03  # share of all points that are nearer or farther than all around them
MOST_KNOWN = 0.2  # share of the pixels; no projected LiDAR covers more


def occluded_points(sparse_depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Points to leave out of ``sparse_depth``; none where the image is not full of them.

    Args:
        sparse_depth: float32 [H, W], metres along the optical axis, 0 = none.

    Returns:
        bool [H, W].
    """
    known = sparse_depth > 0
    points = np.count_nonzero(known)
    if points > MOST_KNOWN * known.size:
        return np.zeros_like(known)
    inverse = np.zeros_like(sparse_depth)
    with np.errstate(over="ignore"):  # of a depth too small for any sensor
        np.divide(1, sparse_depth, out=inverse, where=known)
    columns = max(1, round(COLUMNS * sparse_depth.shape[1]))
    rows = max(1, round(ROWS * sparse_depth.shape[1]))

    around = np.ones((2 * rows + 1, 2 * columns + 1), np.uint8)
    around[rows, columns] = 0
    nearest = cv2.dilate(inverse, around)
    farthest = cv2.erode(np.where(known, inverse, np.float32(np.inf)), around)
    has_neighbours = known & (nearest > 0)
    alone_near = has_neighbours & (inverse > NEARER * nearest)
    alone_far = has_neighbours & (NEARER * inverse < farthest)
    if np.count_nonzero(alone_near | alone_far) > MOST_ALONE * points:
        return np.zeros_like(known)

    objects = np.where(alone_near, np.float32(0), inverse)
    # Rows above and below, and columns on one side: up to the anchor, or from it on.
    side = np.ones((2 * rows + 1, columns + 1), np.uint8)
    left, right = (
        known & (cv2.dilate(objects, side, anchor=(x, rows)) > NEARER * inverse)
        for x in (columns, 0)
    )
    beside = left | right
    surrounded = np.count_nonzero(left & right & ~alone_far)
    full = (
        surrounded >= LEAST_SURROUNDED
        and surrounded >= SURROUNDED * points
        and surrounded >= OF_THOSE_BESIDE * np.count_nonzero(beside)
    )
    return beside if full else np.zeros_like(known)
