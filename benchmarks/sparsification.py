"""Does a confidence rank the errors? Sparsification curves and the area between them.

Ilg, Çiçek, Galesso, Klein, Makansi, Hutter, Brox: "Uncertainty Estimates and Multi-Hypotheses
Networks for Optical Flow", ECCV 2018, section 5.2: take away the least reliable pixels step by step
and measure the error of the rest. The oracle takes away the pixels with the largest error. Both
curves are divided by the error of all pixels; the area between them is the AUSE. 0 = as good as
the oracle; a confidence that says nothing has a flat curve at 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REMOVED = np.arange(100) / 100
"""Shares of the pixels that are taken away; never all."""


@dataclass(frozen=True)
class Sparsification:
    """Normalised errors after taking away the shares :data:`REMOVED` of the pixels.

    Attributes:
        rmse: float64 [100], in the order of the confidence.
        mae: the same for the mean absolute error.
        oracle_rmse: in the order of the error itself.
        oracle_mae: the same for the mean absolute error.
    """

    rmse: NDArray[np.float64]
    mae: NDArray[np.float64]
    oracle_rmse: NDArray[np.float64]
    oracle_mae: NDArray[np.float64]

    @property
    def ause_rmse(self) -> float:
        """Area under the sparsification error of the RMSE."""
        return _area(self.rmse - self.oracle_rmse)

    @property
    def ause_mae(self) -> float:
        """Area under the sparsification error of the MAE."""
        return _area(self.mae - self.oracle_mae)


def sparsify(error: NDArray[np.floating], confidence: NDArray[np.floating]) -> Sparsification:
    """Curves of one frame.

    Pixels of the same confidence are taken away in random order: their expected errors count, so
    the order in which they are given has no influence.

    Args:
        error: [N] metres, sign ignored.
        confidence: [N], larger = more reliable; any monotonic scale.

    Raises:
        ValueError: no pixels, other lengths, or a value that is not finite.
    """
    absolute = np.abs(np.asarray(error, np.float64))
    ranking = np.asarray(confidence, np.float64)
    if absolute.ndim != 1 or absolute.shape != ranking.shape or absolute.size == 0:
        raise ValueError(f"one confidence per error, got {ranking.shape} for {absolute.shape}")
    if not (np.isfinite(absolute).all() and np.isfinite(ranking).all()):
        raise ValueError("errors and confidences must be finite")
    return Sparsification(
        rmse=_normalised(np.sqrt(_kept_means(absolute**2, ranking))),
        mae=_normalised(_kept_means(absolute, ranking)),
        oracle_rmse=_normalised(np.sqrt(_kept_means(absolute**2, -absolute))),
        oracle_mae=_normalised(_kept_means(absolute, -absolute)),
    )


def mean(frames: Iterable[Sparsification]) -> Sparsification:
    """Mean curves, each frame weighing the same; their AUSE is the mean of the frames' AUSE.

    Raises:
        ValueError: no frames.
    """
    curves = list(frames)
    if not curves:
        raise ValueError("no frames to average")
    return Sparsification(
        rmse=np.mean([c.rmse for c in curves], axis=0),
        mae=np.mean([c.mae for c in curves], axis=0),
        oracle_rmse=np.mean([c.oracle_rmse for c in curves], axis=0),
        oracle_mae=np.mean([c.oracle_mae for c in curves], axis=0),
    )


def _kept_means(values: NDArray[np.float64], ranking: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the values that are left after each step of taking away the lowest ranked ones."""
    order = np.argsort(-ranking, kind="stable")
    ordered, ranks = values[order], ranking[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(ranks) != 0]))
    counts = np.diff(np.concatenate([starts, [len(values)]]))
    expected = np.repeat(np.add.reduceat(ordered, starts) / counts, counts)
    # In whole numbers: 0.29 * 100 is a little less than 29.
    kept = len(values) - np.arange(len(REMOVED)) * len(values) // len(REMOVED)
    return np.asarray(np.cumsum(expected)[kept - 1] / kept, np.float64)


def _normalised(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide by the error of all pixels; without any error there is nothing to rank: zeros."""
    return curve / curve[0] if curve[0] > 0 else np.zeros_like(curve)


def _area(curve: NDArray[np.float64]) -> float:
    """Trapezoidal rule over the removed shares."""
    return float(np.sum((curve[1:] + curve[:-1]) / 2 * np.diff(REMOVED)))
