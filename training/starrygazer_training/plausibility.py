"""How plausible each sample is beside the others, before anything is interpolated from them.

Two things go wrong with real sensors: a LiDAR beside the camera sees past the edge of an object, so
that background appears among the object's own points, and single samples have nothing to do with
the scene. Both stand out against the samples on the four sides: the first has nearer ones on
opposing sides, the second differs from all of them, in depth and in what it says of the relative
depth, which a thin object does not.

A small network looks at such figures of each sample and, because a sensor that sees past one edge
sees past all, at their mean over the image (as PointNet does, Qi et al. 2017), over those samples
that say something about it: few lie beside an edge.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_training.interpolation import where_known

LEVELS = 5  # cells of 1 to 16 samples; a sample is compared with those in the cells around
RESIDUAL_LEVELS = (2, 3, 4)  # where it is also compared in the residual
REACH = 2  # cells
NONE = -1e4  # below every log depth
LARGEST_STEP = 1.0  # of log depth; a larger one says no more
HIDDEN = 24
SMALLEST_WEIGHT = 1e-4
FIGURES = 10 * (LEVELS + len(RESIDUAL_LEVELS)) + 1
STEEPNESS = 3.0  # near a sample all others are far: one that is wrong has to count next to nothing
WRONG = 0.1  # error of log depth at which a sample is half wrong
WRONG_WEIGHT = 2.0  # an outlier among the right ones costs more than the loss of a right one


class Plausibility(nn.Module):
    """See the module's description."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Conv2d(FIGURES, HIDDEN, 1), nn.ReLU())
        self.says = nn.Conv2d(HIDDEN, HIDDEN, 1)  # how much a sample counts in the mean, per figure
        self.beside_all = nn.Conv2d(2 * HIDDEN, HIDDEN, 1)
        self.judge = nn.Conv2d(HIDDEN, 1, 1)
        nn.init.constant_(self.judge.bias, 3.0)  # most samples are right

    def forward(self, samples: Tensor, residual: Tensor, known: Tensor) -> Tensor:
        """Logit that a sample is right, [B, 1, H, W]; says nothing where there is none.

        Args:
            samples: [B, 1, H, W] log depth, read where ``known`` is 1; H and W multiples of 16.
            residual: [B, 1, H, W] the same minus the aligned relative depth.
            known: [B, 1, H, W] in {0, 1}.
        """
        figures = beside(samples, known, range(LEVELS))
        figures += beside(residual, known, RESIDUAL_LEVELS)
        each = self.each(torch.cat([*figures, samples], 1)).float()
        weight = (torch.sigmoid(self.says(each).float()) + SMALLEST_WEIGHT) * known
        mean = (each * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True)
        # Each beside the mean, without a map of the mean.
        of_each, of_mean = self.beside_all.weight.split(HIDDEN, 1)
        each, mean = each.to(of_each.dtype), mean.to(of_mean.dtype)  # float16 has no hook here
        both = F.conv2d(each, of_each) + F.conv2d(mean, of_mean, self.beside_all.bias)
        return self.judge(F.relu(both)).float()


def reliability(logit: Tensor) -> Tensor:
    """How much a sample counts, 0..1."""
    return torch.sigmoid(STEEPNESS * logit)


def plausibility_loss(logit: Tensor, error: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy beside what the samples really are; each scene counts alike.

    Args:
        logit: [B, 1, H, W] from :class:`Plausibility`.
        error: [B, 1, H, W] absolute error of the samples' log depth.
        weight: [B, 1, H, W] in {0, 1}, where there is a sample and its error is known.
    """
    right = 1 / (1 + (error / WRONG).square())
    weight = weight * (right + WRONG_WEIGHT * (1 - right))
    entropy = F.binary_cross_entropy_with_logits(logit, right, reduction="none") * weight
    axes = (1, 2, 3)
    return (entropy.sum(axes) / weight.sum(axes).clamp_min(1)).mean()


def beside(values: Tensor, known: Tensor, levels: range | tuple[int, ...]) -> list[Tensor]:
    """How far the extreme samples on four sides lie beyond a sample, most of all first.

    Five figures per level and direction of comparison: the four sides in order, and the better of
    the two pairs of opposing sides, which tells a sample that is surrounded.
    """
    own = torch.cat([-values, values], 1)
    extremes = where_known(known, own, NONE)
    n = REACH
    figures = []
    for level in range(max(levels) + 1):
        if level:
            extremes = F.max_pool2d(extremes, 2)
        if level not in levels:
            continue
        padded = F.pad(extremes, (n, n, n, n), value=NONE)
        across = F.max_pool2d(padded, (2 * n + 1, n), 1)  # windows of n columns
        down = F.max_pool2d(padded, (n, 2 * n + 1), 1)
        left, right = across[..., : -n - 1], across[..., n + 1 :]
        up, low = down[..., : -n - 1, :], down[..., n + 1 :, :]
        across_both, down_both = torch.minimum(left, right), torch.minimum(up, low)
        across_one, down_one = torch.maximum(left, right), torch.maximum(up, low)
        middle = torch.minimum(across_one, down_one), torch.maximum(across_both, down_both)
        ordered = [
            torch.maximum(across_one, down_one),
            torch.maximum(*middle),
            torch.minimum(*middle),
            torch.minimum(across_both, down_both),
            middle[1],
        ]
        sides = torch.cat(ordered, 1)  # ordered before they are enlarged: the same, and cheaper
        if level:
            sides = F.interpolate(sides, scale_factor=float(2**level), mode="nearest")
        figures.append((sides - own.repeat(1, 5, 1, 1)).clamp(-LARGEST_STEP, LARGEST_STEP))
    return figures
