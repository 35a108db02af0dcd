"""Which measurements are missing: range limits, no view upwards, lost sectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def limit_range(sparse: Array, quantile: float) -> Array:
    """Keep the points nearer than this quantile of their depths."""
    known = sparse > 0
    if not known.any():
        return sparse
    farthest = np.quantile(sparse[known], quantile)
    return np.where(sparse <= farthest, sparse, np.float32(0))


def drop_above(sparse: Array, share: float) -> Array:
    """Remove the uppermost ``share`` of the rows: a LiDAR does not see upwards."""
    kept: Array = sparse.copy()
    kept[: round(share * len(sparse))] = 0
    return kept


def drop_sectors(
    sparse: Array, rng: np.random.Generator, count: int = 1, width: float = 0.2
) -> Array:
    """Remove ``count`` vertical wedges, as where a LiDAR is blocked by the robot or switched off.

    Args:
        sparse: float32 [H, W] metres, 0 = none.
        rng: random source of their places.
        count: number of wedges.
        width: of each at its middle, share of the columns.
    """
    rows, columns = sparse.shape
    down = np.linspace(-1, 1, rows)[:, None]
    u = (np.arange(columns) + 0.5)[None] / columns
    kept: Array = sparse.copy()
    for centre, slant in zip(rng.random(count), rng.uniform(-0.3, 0.3, count), strict=True):
        kept[np.abs(u - centre) < width / 2 * (1 + slant * down)] = 0
    return kept
