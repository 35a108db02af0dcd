"""Depth completion without learning, or with a single global fit: what the network must beat.

All maps are float32 [H, W]: metres, 0 = none; the results are dense.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import Delaunay, QhullError, cKDTree

_HUBER_ITERATIONS = 30
_CELL, _RADIUS = 3, 3  # of inpainting: pixels, cells
_LEAST_OF_IP_BASIC = 0.1  # metres, from which its authors' code takes a depth for one
_DIAMOND = np.array(
    [
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
    ],
    np.uint8,
)


class Interpolation:
    """Linear interpolation over the Delaunay triangles of the sparse points.

    Outside their convex hull, and everywhere if there is no triangle, the nearest point counts.
    Triangles and weights depend on where the points are only, so several values on the same points
    share them.

    Args:
        sparse_depth: float32 [H, W] metres, 0 = none.

    Raises:
        ValueError: no sparse points.
    """

    def __init__(self, sparse_depth: NDArray[np.float32]) -> None:
        points = np.argwhere(sparse_depth > 0)
        if len(points) == 0:
            raise ValueError("interpolation needs at least one sparse point")
        self._shape = sparse_depth.shape
        self._rows, self._columns = np.indices(self._shape, np.float64).reshape(2, -1)
        pixels = np.stack([self._rows, self._columns], axis=1)
        try:
            self._triangles = Delaunay(points)
        except (QhullError, ValueError):  # fewer than three points, or all on one line
            self._triangles = None
            outside = np.ones(len(pixels), bool)
        else:
            self._triangle = self._triangles.find_simplex(pixels)
            flat = np.isnan(self._triangles.transform).any(axis=(1, 2))  # triangles without area
            outside = (self._triangle < 0) | flat[self._triangle]
        self._outside = np.flatnonzero(outside)
        self._nearest = cKDTree(points).query(pixels[outside])[1]

    def spread(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Dense map of values at the sparse points.

        Args:
            values: [N], in the order of ``sparse_depth[sparse_depth > 0]``.

        Returns:
            float32 [H, W].
        """
        if self._triangles is None:
            dense = np.empty(len(self._rows))
        else:
            # Over a triangle the value is a plane; its slope comes from SciPy's affine map to
            # barycentric coordinates, of which the third corner is the origin.
            to_weights = self._triangles.transform
            corners = np.asarray(values, np.float64)[self._triangles.simplices]
            slope = np.einsum("tij,ti->tj", to_weights[:, :2], corners[:, :2] - corners[:, 2:])
            origin = corners[:, 2] - np.einsum("tj,tj->t", slope, to_weights[:, 2])
            t = self._triangle
            dense = origin[t] + slope[t, 0] * self._rows + slope[t, 1] * self._columns
        dense[self._outside] = values[self._nearest]
        return dense.reshape(self._shape).astype(np.float32)


def barycentric(sparse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """:class:`Interpolation` of the depth itself.

    Raises:
        ValueError: no sparse points.
    """
    return Interpolation(sparse_depth).spread(sparse_depth[sparse_depth > 0])


def nearest(sparse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth of the nearest sparse point, Euclidean in pixels.

    Raises:
        ValueError: no sparse points.
    """
    if not (sparse_depth > 0).any():
        raise ValueError("nearest needs at least one sparse point")
    rows, columns = distance_transform_edt(
        sparse_depth <= 0, return_distances=False, return_indices=True
    )
    return np.asarray(sparse_depth[rows, columns], np.float32)


def affine_fit(
    relative_depth: NDArray[np.float32],
    sparse_depth: NDArray[np.float32],
    *,
    robust: bool = False,
) -> NDArray[np.float32]:
    """One scale and one shift for the whole image: ``1 / depth = scale * relative + shift``.

    Least squares at the sparse points. The result is limited to half the nearest and twice the
    farthest sparse depth, because the inverse explodes where the fitted line crosses zero.

    Args:
        relative_depth: relative inverse depth, larger = nearer.
        sparse_depth: metres, 0 = none.
        robust: Huber's loss instead of the square, so that outliers pull less.

    Raises:
        ValueError: no sparse points.
    """
    valid = sparse_depth > 0
    depth = sparse_depth[valid].astype(np.float64)
    if depth.size == 0:
        raise ValueError("affine_fit needs at least one sparse point")
    design = np.stack([relative_depth[valid], np.ones_like(depth)], axis=1).astype(np.float64)
    scale, shift = (_huber if robust else _least_squares)(design, 1.0 / depth)
    nearest_allowed, farthest_allowed = depth.min() / 2, depth.max() * 2
    inverse = np.clip(scale * relative_depth + shift, 1 / farthest_allowed, 1 / nearest_allowed)
    return (1.0 / inverse).astype(np.float32)


def affine_barycentric_residual(
    relative_depth: NDArray[np.float32],
    sparse_depth: NDArray[np.float32],
    interpolation: Interpolation | None = None,
) -> NDArray[np.float32]:
    """:func:`affine_fit`, then its error in log depth interpolated between the sparse points.

    Args:
        relative_depth: relative inverse depth, larger = nearer.
        sparse_depth: metres, 0 = none.
        interpolation: of these sparse points, if it has been made already.

    Raises:
        ValueError: no sparse points.
    """
    fitted = affine_fit(relative_depth, sparse_depth)
    valid = sparse_depth > 0
    residual = np.log(sparse_depth[valid]) - np.log(fitted[valid])
    return fitted * np.exp((interpolation or Interpolation(sparse_depth)).spread(residual))


def ip_basic(sparse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """IP-Basic: morphology on inverted depth, with the Gaussian blur.

    Ku, Harakeh, Waslander: "In Defense of Classical Image Processing: Fast Depth Completion on
    the CPU", CRV 2018.

    Depth is inverted so that dilation prefers near values. Unlike the paper, which was made for
    64 lines, the last fill repeats until no hole is left.

    Raises:
        ValueError: no sparse points.
    """
    valid = sparse_depth > 0
    if not valid.any():
        raise ValueError("ip_basic needs at least one sparse point")
    # Any offset above the largest depth inverts; the margin keeps far values apart from "empty".
    offset = np.float32(sparse_depth.max() * 1.25)
    inverted = np.where(valid, offset - sparse_depth, np.float32(0))

    inverted = cv2.dilate(inverted, _DIAMOND)
    inverted = cv2.morphologyEx(inverted, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    inverted = _fill(inverted, 7)
    inverted = _extend_to_top(inverted)
    while (inverted == 0).any():
        inverted = _fill(inverted, 31)
    inverted = cv2.medianBlur(inverted, 5)
    inverted = cv2.GaussianBlur(inverted, (5, 5), 0)
    return offset - inverted


def original_ip_basic() -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """IP-Basic as its authors publish it; None where their package is not installed.

    It is that of https://github.com/kujason/ip_basic (not on PyPI). Of its variants this is the
    one of the paper's results: the fast one, extrapolating, with the Gaussian blur. It was made for
    64 lines, where :func:`ip_basic` gives the same. Where points are few it leaves holes, beside
    which the blur makes depths too large; the holes get the nearest point, so that every method has
    the same pixels.
    """
    try:
        from ip_basic.depth_map_utils import fill_in_fast
    except ImportError:
        return None

    def complete(sparse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
        # It writes into what it is given.
        dense = fill_in_fast(sparse_depth.copy(), extrapolate=True, blur_type="gaussian")
        holes = dense <= _LEAST_OF_IP_BASIC
        return np.where(holes, nearest(sparse_depth), dense) if holes.any() else dense

    return complete


def inpainted(sparse_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """OpenCV's inpainting of all that is no sparse point, by the Navier-Stokes equations.

    Bertalmio, Bertozzi, Sapiro: "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting",
    CVPR 2001. OpenCV's other method, Telea's, extrapolates gradients, which single points do not
    have: its depths leave the range of the points.

    It is the logarithm of depth that is inpainted, on cells of 3x3 pixels, each with the mean of
    its points, and enlarged linearly. Both are in favour of the method. On pixels it takes eight
    times as long, with 5 points as with 64 lines, and its RMSE is up to 8% larger, at best 3%
    smaller; only its MAE is smaller where points are dense. Depth itself or its inverse is worse on
    roads and equal in rooms. A radius above 3 gains little for the time it takes.

    Raises:
        ValueError: no sparse points.
    """
    valid = sparse_depth > 0
    if not valid.any():
        raise ValueError("inpainting needs at least one sparse point")
    height, width = sparse_depth.shape
    padding = ((0, -height % _CELL), (0, -width % _CELL))
    logarithm = np.log(sparse_depth, out=np.zeros_like(sparse_depth), where=valid)
    mean, share = (
        _mean_of_cells(np.pad(values, padding)) for values in (logarithm, valid.astype(np.float32))
    )
    mean = np.divide(mean, share, out=mean, where=share > 0)
    cells = cv2.inpaint(mean, np.uint8(share <= 0), _RADIUS, cv2.INPAINT_NS)
    enlarged = cv2.resize(cells, None, fx=_CELL, fy=_CELL, interpolation=cv2.INTER_LINEAR)
    return np.exp(enlarged[:height, :width])


def _mean_of_cells(values: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = values.shape
    size = (width // _CELL, height // _CELL)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _fill(inverted: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Give empty pixels the nearest depth (largest inverted) of their surroundings."""
    return np.where(
        inverted > 0, inverted, cv2.dilate(inverted, np.ones((size, size), np.uint8))
    ).astype(np.float32)


def _extend_to_top(inverted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Copy each column's topmost value to all rows above it."""
    valid = inverted > 0
    top = np.argmax(valid, axis=0)  # 0 for an empty column, which then copies its own 0
    above = np.arange(inverted.shape[0])[:, None] < top[None, :]
    return np.where(above, inverted[top, np.arange(inverted.shape[1])], inverted)


def _least_squares(design: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.lstsq(design, target, rcond=None)[0], np.float64)


def _huber(design: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Huber's M-estimator by iteratively reweighted least squares.

    Holland, Welsch: "Robust regression using iteratively reweighted least-squares",
    Communications in Statistics 1977. The residuals' scale is their median absolute value / 0.6745,
    the threshold 1.345 scales (95% efficiency with Gaussian noise).
    """
    solution = _least_squares(design, target)
    for _ in range(_HUBER_ITERATIONS):
        residual = np.abs(target - design @ solution)
        threshold = 1.345 * np.median(residual) / 0.6745
        if threshold <= 0:  # at least half of the points are met exactly
            break
        weight = np.sqrt(threshold / np.maximum(residual, threshold))
        solution = _least_squares(design * weight[:, None], target * weight)
    return solution
