"""Background points that a LiDAR beside the camera sees past the edges of nearer objects.

Projected into the image they lie among the points of the object that hides them, and a completion
that believes them puts holes into it.

Where the LiDAR's place is known, :func:`points_hidden_from_camera` compares both views. In a sparse
depth image alone, :func:`occluded_points` cannot tell one such point from a right one beside a thin
object, but an image full of them can: then many points have nearer ones on the left *and* on the
right. Only then all points are dropped that have a nearer one close by. A point that is nearer or
farther than all around it may as well be an outlier, so it is no evidence for either; an image with
many such points is left alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.geometry import measured_places

NEARER = 1.2  # ratio of two depths that are not of one surface
COLUMNS, ROWS = 1 / 200, 1 / 300  # how far around a point, in widths of the image: parallax is
# the focal length times the distance of the sensors over depth, so it grows with the width
SURROUNDED = 0.02  # share of all points with nearer ones on both sides in an image full of them
OF_THOSE_BESIDE = 0.38  # the same, of those with a nearer one on any side
LEAST_SURROUNDED = 50  # points; fewer say nothing about the image
MOST_ALONE = 0.03  # share of all points that are nearer or farther than all around them
MOST_KNOWN = 0.2  # share of the pixels; no projected LiDAR covers more
STEPS = 1000  # of one in log depth; told apart is what is up to e**32 times the median, or e**-32
_TOP = 2**16
_NEARER = round(STEPS * math.log(NEARER))

# Of points_hidden_from_camera, in widths of the image:
REACH = 1 / 200  # how far around a point nearer ones are looked for; scan lines are closer together
SIDE = 1 / 600  # how far beside a nearer point its surface reaches, half of what lies between two
MOST_PAIRS = 2_000_000  # of a point and a place around it that are looked at together


def occluded_points(sparse_depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Points to leave out of ``sparse_depth``; none where the image is not full of them.

    Args:
        sparse_depth: float32 [H, W], metres along the optical axis, 0 = none.

    Returns:
        bool [H, W].
    """
    hidden = np.zeros(sparse_depth.shape, np.bool_)
    width = sparse_depth.shape[1]
    places = measured_places(sparse_depth)
    points = len(places)
    if points == 0 or points > MOST_KNOWN * sparse_depth.size:
        return hidden
    nearness = _log_nearness(sparse_depth.ravel()[places])
    columns = max(1, round(COLUMNS * width))
    rows = max(1, round(ROWS * width))
    # A LiDAR looks at some of the rows only.
    first, last = places[0] // width, places[-1] // width
    places -= first * width

    def image_of(values: NDArray[np.int32]) -> NDArray[np.uint16]:
        image = np.zeros((last - first + 1, width), np.uint16)
        image.ravel()[places] = values
        return image

    def at_places(image: NDArray[np.uint16]) -> NDArray[np.int32]:
        return image.ravel()[places].astype(np.int32)

    # Rows above and below, and columns on one side: up to the anchor, or from it on.
    side = np.ones((2 * rows + 1, columns + 1), np.uint8)

    def nearer_beside(objects: NDArray[np.uint16]) -> list[NDArray[np.bool_]]:
        sides = (cv2.dilate(objects, side, anchor=(x, rows)) for x in (columns, 0))
        return [at_places(np.asarray(s, np.uint16)) > nearness + _NEARER for s in sides]

    least = max(LEAST_SURROUNDED, SURROUNDED * points)
    every = image_of(nearness)
    left, right = nearer_beside(every)
    if np.count_nonzero(left & right) < least:
        # Leaving out lone points, which takes longer, can only lower the count.
        return hidden

    farness = _TOP - nearness
    nearest = at_places(_largest_around(every, rows, columns))
    farthest = at_places(_largest_around(image_of(farness), rows, columns))
    has_neighbours = nearest > 0
    alone_near = has_neighbours & (nearness > nearest + _NEARER)
    alone_far = has_neighbours & (farness > farthest + _NEARER)
    if np.count_nonzero(alone_near | alone_far) > MOST_ALONE * points:
        return hidden
    if alone_near.any():
        left, right = nearer_beside(image_of(np.where(alone_near, 0, nearness)))
    beside = left | right
    surrounded = np.count_nonzero(left & right & ~alone_far)
    full = surrounded >= max(least, OF_THOSE_BESIDE * np.count_nonzero(beside))
    if full:
        hidden[first:].ravel()[places[beside]] = True
    return hidden


def _log_nearness(depth: NDArray[np.float32]) -> NDArray[np.int32]:
    """Negative log depth in steps, from 1 to 65535: OpenCV compares short numbers faster."""
    away = np.log(depth)
    away -= np.median(away)
    steps: NDArray[np.int32] = np.rint(STEPS * away).astype(np.int32)
    return np.clip(_TOP // 2 - steps, 1, _TOP - 1)


def _largest_around(values: NDArray[np.uint16], rows: int, columns: int) -> NDArray[np.uint16]:
    """Largest value in the window around each pixel, itself left out; [H, W], 0 = none."""
    # OpenCV takes a window by rows and columns unless it has a hole: those with one are thin.
    row = np.ones((1, 2 * columns + 1), np.uint8)
    other_rows = np.ones((2 * rows + 1, 1), np.uint8)
    other_rows[rows] = 0
    above_and_below = cv2.dilate(cv2.dilate(values, row), other_rows)
    row[0, columns] = 0
    return np.maximum(cv2.dilate(values, row), above_and_below)


def points_hidden_from_camera(
    points: NDArray[np.float32],
    pixels: NDArray[np.intp],
    width: int,
    focal_length: float,
    origins: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Points that the LiDAR sees past an edge behind which the camera cannot see them.

    From the LiDAR to the camera every point moves against those that are nearer or farther. A
    point is hidden when on this way it has passed behind a nearer one, close enough to its middle
    to be behind the surface around it. A point that only lies beside a nearer one is seen by
    both, however near the edge, and where both sensors have one origin nothing passes anything.

    What has passed behind a thin pole and come out again within ``REACH`` is taken for hidden, too.
    Edges between two scan lines that lie farther apart than ``REACH`` are not seen.

    Args:
        points: float32 [N, 3], metres in the camera's optical frame, each the nearest of its pixel.
        pixels: int [N], row times ``width`` plus column, none twice.
        width: of the image in pixels.
        focal_length: in pixels.
        origins: float32 [3] or [N, 3], where the points were measured from, in the same frame.

    Returns:
        bool [N].
    """
    hidden = np.zeros(len(points), bool)
    if len(points) == 0:
        return hidden
    reach = max(1, round(REACH * width))
    around = _places_around(pixels, width, reach)
    inverse = np.zeros(around.shape, np.float32)
    inverse.reshape(-1)[around.places] = 1 / points[:, 2]
    nearest = cv2.dilate(inverse, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    suspects = np.flatnonzero(nearest.reshape(-1)[around.places] * points[:, 2] > NEARER)
    at_place = np.full(inverse.size, -1, np.int32)
    at_place[around.places] = np.arange(len(points), dtype=np.int32)

    in_camera = _directions(points)
    origins = np.broadcast_to(origins, points.shape)
    widest = SIDE * width / focal_length
    chunk = max(1, MOST_PAIRS // len(around.steps))
    for start in range(0, len(suspects), chunk):
        part = suspects[start : start + chunk]
        neighbours = at_place[around.places[part, None] + around.steps]
        far, near = np.nonzero(
            (neighbours >= 0) & (NEARER * points[neighbours, 2] < points[part, 2][:, None])
        )
        near, far = neighbours[far, near], part[far]
        here = in_camera[far] - in_camera[near]
        there = _directions(points[far] - origins[far]) - _directions(points[near] - origins[far])
        way = here - there
        way /= np.maximum(_lengths(way), np.finfo(np.float32).tiny)[:, None]
        arrived = np.einsum("ij,ij->i", here, way)
        passed = (arrived > 0) & (np.einsum("ij,ij->i", there, way) < 0)
        passed &= _lengths(here - arrived[:, None] * way) < widest
        hidden[far[passed]] = True
    return hidden


@dataclass(frozen=True)
class _Around:
    """An image with a border, so that no place around a point is on its other side.

    Attributes:
        shape: rows and columns.
        places: flat index of each point.
        steps: from a place to all around it and to itself.
    """

    shape: tuple[int, int]
    places: NDArray[np.intp]
    steps: NDArray[np.intp]


def _places_around(pixels: NDArray[np.intp], width: int, reach: int) -> _Around:
    rows, columns = np.divmod(pixels, width)
    shape = int(rows.max()) + 1 + 2 * reach, width + 2 * reach
    places = (rows + reach) * shape[1] + columns + reach
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return _Around(shape, places, (down * shape[1] + right).ravel())


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors [N, 3] of length 1."""
    units: NDArray[np.float32] = (
        vectors / np.maximum(_lengths(vectors), np.finfo(np.float32).tiny)[:, None]
    )
    return units


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lengths [N] of vectors [N, 3]."""
    lengths: NDArray[np.float32] = np.einsum("ij,ij->i", vectors, vectors)
    np.sqrt(lengths, out=lengths)
    return lengths
