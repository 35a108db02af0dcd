"""Scale-and-shift-invariant loss for relative inverse depth (MiDaS, Ranftl et al., TPAMI 2022)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

GRADIENT_SCALES = 4


def align(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Least-squares scale and shift of ``prediction`` onto ``target``, per image.

    Args:
        prediction: [B, 1, H, W].
        target: [B, 1, H, W].
        valid: [B, 1, H, W], 1 where the target is known, else 0.

    Returns:
        [B, 1, H, W] aligned prediction.
    """
    axes = (1, 2, 3)
    count = valid.sum(axes, keepdim=True).clamp_min(1)
    mean_p = (valid * prediction).sum(axes, keepdim=True) / count
    mean_t = (valid * target).sum(axes, keepdim=True) / count
    p, t = prediction - mean_p, target - mean_t
    covariance = (valid * p * t).sum(axes, keepdim=True)
    variance = (valid * p * p).sum(axes, keepdim=True)
    # An anti-correlated image must not be rewarded for a flipped sign.
    scale = (covariance / (variance + 1e-6)).clamp_min(0.01)
    return p * scale + mean_t


def relative_depth_loss(
    prediction: Tensor, target: Tensor, valid: Tensor, gradient_weight: float
) -> Tensor:
    """Mean absolute error after alignment, in units of the target's spread, plus its gradients.

    Args:
        prediction: [B, 1, H, W] relative inverse depth.
        target: [B, 1, H, W] inverse depth up to scale and shift.
        valid: [B, 1, H, W] in {0, 1}.
        gradient_weight: weight of the mean gradient term over the scales. MiDaS has 2: 0.5 of
            the sum over four scales.
    """
    axes = (1, 2, 3)
    count = valid.sum(axes, keepdim=True).clamp_min(1)
    mean = (valid * target).sum(axes, keepdim=True) / count
    spread = (valid * (target - mean).abs()).sum(axes, keepdim=True) / count + 1e-6
    error = (align(prediction, target, valid) - target) / spread
    loss = ((error.abs() * valid).sum(axes, keepdim=True) / count).mean()
    for scale in range(GRADIENT_SCALES):
        step = 2**scale
        e, v = error[..., ::step, ::step], valid[..., ::step, ::step]
        for axis in (-1, -2):
            both = v.narrow(axis, 1, v.shape[axis] - 1) * v.narrow(axis, 0, v.shape[axis] - 1)
            difference = e.diff(dim=axis).abs()
            total = (difference * both).sum() / both.sum().clamp_min(1)
            loss = loss + gradient_weight / GRADIENT_SCALES * total
    return loss


def pooled_inverse_depth(depth: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mean inverse depth of the valid pixels in each cell of a coarser grid.

    Args:
        depth: [B, 1, H, W] metres, 0 = unknown.
        size: rows and columns of the grid.

    Returns:
        inverse depth [B, 1, *size] in 1/m and validity in {0, 1}.
    """
    known = (depth > 0).float()
    inverse = known / depth.clamp_min(1e-3)
    share = F.adaptive_avg_pool2d(known, size)
    valid = (share > 0).float()
    return F.adaptive_avg_pool2d(inverse, size) / share.clamp_min(1e-6) * valid, valid


def affine_abs_rel(prediction: Tensor, depth: Tensor) -> tuple[float, float]:
    """AbsRel after affine alignment in inverse depth, and the Pearson correlation there.

    Args:
        prediction: [1, 1, h, w] relative inverse depth, resized to the depth's size.
        depth: [1, 1, H, W] metres, 0 = unknown.
    """
    prediction = F.interpolate(prediction, depth.shape[-2:], mode="bilinear", align_corners=False)
    valid = (depth > 0).float()
    inverse = valid / depth.clamp_min(1e-3)
    aligned = align(prediction, inverse, valid)
    known = valid.bool()
    nearest = inverse[known].max()
    farthest = inverse[known].min()
    metric = 1.0 / aligned[known].clamp(farthest / 2, nearest * 2)
    abs_rel = ((metric - depth[known]).abs() / depth[known]).mean()
    pearson = torch.corrcoef(torch.stack([prediction[known], inverse[known]]))[0, 1]
    return float(abs_rel), float(pearson)
