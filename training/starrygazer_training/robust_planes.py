"""Local planes whose samples count less the more those around them disagree."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from starrygazer_training.interpolation import (
    FIT_TOLERANCE,
    KERNEL_POWER,
    SMALLEST_WEIGHT,
    coordinates,
    enlarged,
    moments_of,
    planes_at,
    pyramid_sum,
    range_of,
    within,
)

COARSEST_LEVEL = 5
COARSEST_CELL = 2**COARSEST_LEVEL  # of which images are multiples: halving is exact, and fast
COMPARED_LEVEL = 3  # samples are compared with the planes of 8x8 cells
SMALLEST_OFF = 0.02  # log depth; of samples that agree
GROWTH = 0.3  # of an error per pixel of distance from the samples
OFF_OVER_ERROR = 3.0  # about: samples are off coarse planes, the error is that of fine ones


def robust_planes(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`~starrygazer_training.interpolation.local_planes`, fitted twice.

    How far a sample is off the planes of coarse cells, in which it is one of several, gives its
    weight in the second fit: Cauchy's, one step of iteratively reweighted least squares. A sample
    that is alone in its coarse cells is believed.

    Args:
        values: [B, 1, H, W] log depth, read where the mask is 1; H and W multiples of
            ``COARSEST_CELL``.
        mask: [B, 1, H, W] in {0, 1}; at least one sample.

    Returns:
        interpolated [B, 1, H, W], and its expected absolute error [B, 1, H, W]: how much the
        samples around are off, more the further away they are.
    """
    moments, limits = moments_of(values, mask), range_of(values, mask)
    off = (values - within(_coarse_planes(moments), *limits)) * mask
    weight = 1 / (1 + (off / FIT_TOLERANCE).square())
    trusted = torch.cat([moments, off.abs()], 1) * weight
    sums = pyramid_sum(trusted, coarsest=COARSEST_LEVEL, whole=True)
    planes, _, _ = planes_at(sums[:, :-1], *coordinates(sums))
    weight = sums[:, :1].clamp_min(SMALLEST_WEIGHT)
    distance = torch.exp(-torch.log(weight) / KERNEL_POWER)
    off = sums[:, -1:] / weight + SMALLEST_OFF
    return within(planes, *limits), off * (1 + GROWTH * distance) / OFF_OVER_ERROR


def _coarse_planes(moments: Tensor) -> Tensor:
    """Planes through all that lies in and around cells of ``COMPARED_LEVEL``, [B, 1, H, W]."""
    cell = 2**COMPARED_LEVEL
    v, u = coordinates(moments)
    cell_v, cell_u = F.avg_pool2d(v, (cell, 1)), F.avg_pool2d(u, (1, cell))
    sums = pyramid_sum(moments, COMPARED_LEVEL, COARSEST_LEVEL, whole=True)
    value, slope_u, slope_v = planes_at(sums, cell_v, cell_u)
    origin = value - slope_u * cell_u - slope_v * cell_v
    planes = enlarged(torch.cat([origin, slope_u, slope_v], 1), cell)
    origin, slope_u, slope_v = planes.split(1, 1)
    return origin + slope_u * u + slope_v * v
