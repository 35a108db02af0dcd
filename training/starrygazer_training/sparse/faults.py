"""Which measurements are wrong: noise, outliers, calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from starrygazer_training.sparse.parallax import move, nearest_depth

Array = NDArray[np.float32]

OUTLIER_MARGIN = 2.0  # outliers lie up to so many times nearer or farther than all other points
LARGEST_LOG_NOISE = 1.0


def add_range_noise(
    sparse: Array, rng: np.random.Generator, relative: float = 0.0, quadratic: float = 0.0
) -> Array:
    """Gaussian noise of log depth.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        rng: random source.
        relative: standard deviation over depth, the same for all points.
        quadratic: standard deviation over depth at the points' median depth; it grows with depth,
            so that the error in metres grows with its square, as from stereo and weak ToF echoes.
    """
    place, z = _points(sparse)
    if not len(z):
        return sparse
    sigma = np.hypot(relative, quadratic * z / np.median(z))
    noise = np.clip(sigma * rng.standard_normal(len(z)), -LARGEST_LOG_NOISE, LARGEST_LOG_NOISE)
    return _with_points(sparse, place, z * np.exp(noise))


def add_outliers(sparse: Array, rng: np.random.Generator, share: float) -> Array:
    """Replace a share of the points by depths that have nothing to do with the scene.

    They are log-uniform over the range of the points, widened by ``OUTLIER_MARGIN`` at both ends.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        rng: random source.
        share: of the points, 0..1.
    """
    place, z = _points(sparse)
    count = round(share * len(z))
    if not count:
        return sparse
    chosen = rng.choice(len(z), count, replace=False, shuffle=False)
    nearest, farthest = np.log(z.min() / OUTLIER_MARGIN), np.log(z.max() * OUTLIER_MARGIN)
    return _with_points(sparse, place[chosen], np.exp(rng.uniform(nearest, farthest, count)))


def misregister(
    sparse: Array, shift: tuple[float, float] = (0, 0), parallax: tuple[float, float] = (0, 0)
) -> Array:
    """Move points as a wrong calibration between sensor and camera does; the nearest one wins.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        shift: pixels right and down for all points (wrong rotation).
        parallax: pixels right and down for the nearest points, less for others in proportion to
            inverse depth (wrong translation, or motion between the exposures).
    """
    return move(sparse, shift, parallax, nearest_depth(sparse))


def quantise(sparse: Array, step: float) -> Array:
    """Round to multiples of ``step`` metres, upwards where 0 (none) would come out."""
    place, z = _points(sparse)
    return _with_points(sparse, place, np.maximum(np.rint(z / step), 1) * step)


def _points(sparse: Array) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Flat index and depth of every point."""
    place = np.flatnonzero(sparse > 0)
    return place, sparse.ravel()[place].astype(np.float64)


def _with_points(sparse: Array, place: NDArray[np.intp], z: NDArray[np.floating]) -> Array:
    changed: Array = sparse.copy()
    changed.ravel()[place] = z
    return changed
