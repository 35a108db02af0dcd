"""Errors of a dense depth map on the pixels with ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DELTA1 = 1.25


@dataclass(frozen=True)
class Metrics:
    """Errors over a set of pixels.

    Attributes:
        rmse: metres.
        mae: metres.
        median: of the absolute error, metres.
        absrel: mean of error / truth, called REL in papers on depth completion.
        irmse: RMSE of the inverse depth, 1/km.
        delta1: share of the pixels with max(prediction / truth, truth / prediction) < 1.25.
        pixels: how many pixels were compared.
    """

    rmse: float
    mae: float
    median: float
    absrel: float
    irmse: float
    delta1: float
    pixels: int


def compare(
    prediction: NDArray[np.float32],
    truth: NDArray[np.float32],
    mask: NDArray[np.bool_] | None = None,
) -> Metrics:
    """Compare where the truth is known.

    Args:
        prediction: float32 [H, W] metres, positive and finite on the compared pixels.
        truth: float32 [H, W] metres, 0 or NaN = unknown.
        mask: bool [H, W], compare only there.

    Raises:
        ValueError: nothing to compare, or a prediction is missing on a compared pixel.
    """
    valid = truth > 0
    if mask is not None:
        valid &= mask
    predicted = prediction[valid].astype(np.float64)
    true = truth[valid].astype(np.float64)
    if true.size == 0:
        raise ValueError("no pixel with ground truth to compare")
    if not (np.isfinite(predicted) & (predicted > 0)).all():
        raise ValueError("the prediction has holes on compared pixels: pass a mask without them")
    error = predicted - true
    inverse_error = 1000.0 / predicted - 1000.0 / true
    return Metrics(
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        median=float(np.median(np.abs(error))),
        absrel=float(np.mean(np.abs(error) / true)),
        irmse=float(np.sqrt(np.mean(inverse_error**2))),
        delta1=float(np.mean(np.maximum(predicted / true, true / predicted) < _DELTA1)),
        pixels=int(true.size),
    )


def mean(metrics: Iterable[Metrics]) -> Metrics:
    """Mean over frames, each frame weighing the same; ``pixels`` is the sum.

    Raises:
        ValueError: no frames.
    """
    frames = list(metrics)
    if not frames:
        raise ValueError("no frames to average")
    return Metrics(
        rmse=float(np.mean([m.rmse for m in frames])),
        mae=float(np.mean([m.mae for m in frames])),
        median=float(np.mean([m.median for m in frames])),
        absrel=float(np.mean([m.absrel for m in frames])),
        irmse=float(np.mean([m.irmse for m in frames])),
        delta1=float(np.mean([m.delta1 for m in frames])),
        pixels=sum(m.pixels for m in frames),
    )
