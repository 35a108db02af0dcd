"""Interpolation of sparse depth inside the graph: alignment, local planes, local range.

Log depth throughout, without its mean. Only operators that every engine takes, and a cost that does
not depend on the number of samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

FIT_ITERATIONS = 4
FIT_TOLERANCE = 0.15  # relative inverse-depth error at which a point's weight has halved
PYRAMID_LEVELS = 7
KERNEL_POWER = 6.0  # a sample's weight falls with this power of its distance
PLANE_RIDGE = 1.0  # pixels; planes of samples that lie closer together are flattened
EXTRAPOLATION_RIDGE = 0.1  # the same, per pixel of distance from the samples' centre
PLANE_MARGIN = 0.2  # log depth by which a plane may leave the range of the samples
COORDINATE_UNIT = 256.0  # pixels; keeps second moments well within float32
SMALLEST_WEIGHT = 1e-30  # of all samples together at a pixel far from them
GUIDED_LEVELS = 4
GUIDED_REACH = 1.5  # cells; the 3x3 cells around a pixel reach at least one cell far
UNGUIDED_SHARE = 1e-4
MEAN_REACH = (3, 1)  # cells up and down, left and right: scan lines leave gaps between rows
NOTHING_AROUND = 0.3  # weight of what is there already, over that of a sample at the pixel itself
NOTHING_SIMILAR = 1e-3  # weight of what is there already, over that of a sample in the same cell
SMALLEST_SHARE = 1e-9  # of a cell's weights
SAME_SURFACE = 0.05  # log depth by which samples of one surface in a cell may differ
RANGE_LEVELS = 4  # the coarsest windows are 96 pixels wide
RANGE_SAMPLES = 2.5  # samples that a window must hold: three
NONE = -1e4  # below every log depth


def centred_log(sparse_depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithm of the sparse depth minus its mean, where there is a point; mask; the mean."""
    mask = (sparse_depth > 0).float()
    log = torch.log(where_known(mask, sparse_depth, 1.0))
    axes = (1, 2, 3)
    centre = (log * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp_min(1)
    return (log - centre) * mask, mask, centre


def where_known(known: Tensor, values: Tensor, otherwise: Tensor | float) -> Tensor:
    """Finite values where ``known`` is 1, others where it is 0.

    As ``torch.where``, whose operator takes ten times as long in ONNX Runtime.
    """
    return known * values + (1 - known) * otherwise


def align(relative_depth: Tensor, log_sparse: Tensor, mask: Tensor) -> Tensor:
    """Robust affine fit of relative inverse depth to the sparse points' inverse depth.

    Iteratively re-weighted least squares with Cauchy weights, closed form per iteration. The
    relative error is weighted, so that near and far points count alike.

    Returns:
        [B, 1, H, W] log depth, kept within half and twice the sparse points' range.
    """
    axes = (1, 2, 3)
    inverse = torch.exp(-log_sparse)  # about 1
    count = mask.sum(axes, keepdim=True).clamp_min(1)
    mean = (relative_depth * mask).sum(axes, keepdim=True) / count
    centred = relative_depth - mean
    spread = ((centred * mask).abs().sum(axes, keepdim=True) / count).clamp_min(1e-6)
    x = (centred / spread).clamp(-20, 20)
    base = mask / inverse.clamp_min(1e-3).square()  # squared error relative to inverse depth
    weight = base
    for _ in range(FIT_ITERATIONS):
        w = weight.sum(axes, keepdim=True) + 1e-9
        mx = (weight * x).sum(axes, keepdim=True) / w
        my = (weight * inverse).sum(axes, keepdim=True) / w
        dx = x - mx
        slope = (weight * dx * (inverse - my)).sum(axes, keepdim=True) / (
            (weight * dx * dx).sum(axes, keepdim=True) + 1e-3 * w
        )
        fitted = my + slope.clamp_min(0.0) * dx
        error = (fitted - inverse) / inverse.clamp_min(1e-3)
        weight = base / (1 + (error / FIT_TOLERANCE).square())
    known = (mask > 0).float()
    far = where_known(known, inverse, 1e4).amin(axes, keepdim=True)
    near = (known * inverse).amax(axes, keepdim=True)
    return -torch.log(torch.maximum(torch.minimum(fitted, 2 * near), far / 2))


def pool(values: Tensor, mask: Tensor, cell: int = 2) -> tuple[Tensor, Tensor]:
    """Weighted mean of the values in each square cell, and whether there is one.

    Args:
        values: [B, C, H, W].
        mask: [B, 1, H, W] weights, 0 or above ``SMALLEST_SHARE``.
        cell: pixels on a side.
    """
    share = F.avg_pool2d(mask, cell)
    return F.avg_pool2d(values * mask, cell) / share.clamp_min(SMALLEST_SHARE), (share > 0).float()


def around(values: Tensor, weight: Tensor, cell: int) -> Tensor:
    """What samples say of the pixels around them, most at a sample itself, nothing beyond a cell.

    Normalised convolution with a tent (Knutsson & Westin 1993).

    Args:
        values: [B, 1, H, W], read where the weight is above 0.
        weight: [B, 1, H, W] from 0 to 1.
        cell: pixels from a sample to where its tent ends.
    """
    n = cell - 1
    both = F.pad(torch.cat([weight * values, weight], 1), (n, n, n, n))
    for _ in range(2):  # a box twice is a tent
        both = F.avg_pool2d(both, cell, 1)
    total, share = both.split(1, 1)
    return total / (share + NOTHING_AROUND / cell**2)


def front(log_depth: Tensor, mask: Tensor, cell: int = 2) -> Tensor:
    """Weights [B, 1, H, W] of the samples on the nearest surface in each cell, 0 elsewhere.

    The mean over two surfaces would lie in the air between them.
    """
    known = (mask > 0).float()
    nearness = where_known(known, -log_depth, NONE)
    nearest = F.interpolate(F.max_pool2d(nearness, cell), scale_factor=float(cell), mode="nearest")
    return known * (nearness > nearest - SAME_SURFACE).float()


def local_planes(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Moving least squares of degree one (Lancaster & Salkauskas 1981): planes are kept exactly.

    Each pixel gets the value of its own weighted plane fit. The weight 1/d^p of a sample at
    distance d is approximated by a sum of tents over a pyramid, which double in width and fall by
    2^p per level, so that the cost does not depend on the number of samples.

    Args:
        values: [B, C, H, W], read where the mask is 1.
        mask: [B, 1, H, W] from 0 to 1, how much a sample counts; at least one above 0.

    Returns:
        interpolated [B, C, H, W], and a log density of samples [B, 1, H, W], both smooth.
    """
    sums = pyramid_sum(moments_of(values, mask))
    return _fit_planes(sums, *range_of(values, mask)), torch.log(sums[:, :1] + 1e-12) / 8


def guided_planes(
    values: Tensor, mask: Tensor, features: Tensor, reliability: Tensor | None = None
) -> Tensor:
    """Local planes whose samples count less the more their features differ: none across an edge.

    As :func:`local_planes`, with the weight of a sample times exp(-|f - g|^2), f and g being the
    features of the pixel and of the sample's cell (bilateral weights, Tomasi & Manduchi 1998).

    Args:
        values: [B, C, H, W], read where the mask is 1.
        mask: [B, 1, H, W] in {0, 1}; at least one sample.
        features: [B, D, H, W]; H and W multiples of 8.
        reliability: [B, 1, H, W] above 0, how much a sample counts; default: all the same.

    Returns:
        interpolated [B, C, H, W].
    """
    moments = moments_of(values, mask)
    if reliability is not None:
        moments = moments * reliability
    v, u = coordinates(mask)
    kind = torch.cat([u.expand_as(mask), v.expand_as(mask), features], 1)
    # Where the features leave nothing, distance alone decides.
    total = UNGUIDED_SHARE * pyramid_sum(moments)
    sums = [moments, mask, kind * mask]  # of each cell
    for index in range(GUIDED_LEVELS):
        if index:
            sums = [4 * F.avg_pool2d(level, 2) for level in sums]
        # Means of each cell's place and features; the exporter drops a sum with a tiny number.
        cells = (sums[0], sums[2] / sums[1].clamp_min(0.5))
        scale = 2**index
        if index:
            cells = [F.interpolate(x, scale_factor=float(scale), mode="nearest") for x in cells]
        near_moments, near_kind = (shifts(x, "constant", spacing=scale) for x in cells)
        squares = (torch.stack(near_kind, 1) - kind[:, None]).square()
        apart, differ = (
            part.sum(2, keepdim=True) for part in squares.split([2, features.shape[1]], 2)
        )
        reach = GUIDED_REACH * scale / COORDINATE_UNIT
        tent = (1 - apart / reach**2).clamp_min(0).square()
        weight = 2.0 ** (-KERNEL_POWER * index) * tent * torch.exp(-differ)
        total = total + weighted_sum(weight.unbind(1), near_moments)
    return _fit_planes(total, *range_of(values, mask))


def similar_mean(values: Tensor, mask: Tensor, features: Tensor, otherwise: Tensor) -> Tensor:
    """Mean of the samples close by with similar features; where there is none, ``otherwise``.

    It keeps what is thinner than the space between the samples: a pole between two scan lines has
    the features of the samples on it. Samples are taken one by one, because cells of several would
    mix the pole with what is beside it.

    Args:
        values: [B, 1, H, W], read where the mask is above 0.
        mask: [B, 1, H, W] from 0 to 1, how much a sample counts.
        features: [B, D, H, W].
        otherwise: [B, 1, H, W].
    """
    samples = torch.cat([mask, values * mask], 1)
    near_samples, near_features = (shifts(x, "constant", MEAN_REACH) for x in (samples, features))
    others = len(near_samples) // 2  # before the pixel itself; those behind it mirror them
    sums = samples
    for index, (near, alike) in enumerate(zip(near_samples[:others], near_features, strict=False)):
        weight = torch.exp(-(alike - features).square().sum(1, keepdim=True))
        # What a neighbour is to a pixel, the pixel is to that neighbour.
        back = shifts(weight * samples, "constant", MEAN_REACH, only=-1 - index)[0]
        sums = sums + weight * near + back
    count, total = sums.split(1, 1)
    return (total + NOTHING_SIMILAR * otherwise) / (count + NOTHING_SIMILAR)


def coordinates(like: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [1, 1, H, 1] and columns [1, 1, 1, W] in units of ``COORDINATE_UNIT`` pixels."""
    height, width = like.shape[-2:]
    v = (torch.arange(height, device=like.device) / COORDINATE_UNIT).view(1, 1, -1, 1)
    u = (torch.arange(width, device=like.device) / COORDINATE_UNIT).view(1, 1, 1, -1)
    return v - v.mean(), u - u.mean()


def moments_of(values: Tensor, mask: Tensor) -> Tensor:
    """What a weighted plane fit sums up.

    Returns:
        [B, 6 + 3 C, H, W]: 1, u, v, u^2, uv, v^2, then z, uz, vz of every channel.
    """
    v, u = coordinates(mask)
    masked = values * mask
    moments = [mask, mask * u, mask * v, mask * u * u, mask * u * v, mask * v * v]
    return torch.cat([*moments, masked, masked * u, masked * v], 1)


def range_of(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest sample, [B, C, 1, 1]."""
    known = (mask > 0).float()
    lowest = where_known(known, values, -NONE).amin((2, 3), keepdim=True)
    return lowest, where_known(known, values, NONE).amax((2, 3), keepdim=True)


def _fit_planes(sums: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """Value at each pixel of the plane with these weighted moments, [B, C, H, W]."""
    planes, _, _ = planes_at(sums, *coordinates(sums), lowest.shape[1])
    return within(planes, lowest, highest)


def planes_at(
    sums: Tensor, v: Tensor, u: Tensor, channels: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Planes with these weighted moments.

    Args:
        sums: [B, 6 + 3 C, H, W] of :func:`moments_of`.
        v: row of each pixel, see :func:`coordinates`.
        u: column of each pixel.
        channels: C.

    Returns:
        value at (u, v), slope along u, slope along v; each [B, C, H, W].
    """
    weight, rest = sums.split([1, sums.shape[1] - 1], 1)
    means = rest / weight.clamp_min(SMALLEST_WEIGHT)
    mu, mv, uu, uv, vv = means[:, :5].split(1, 1)
    mz, uz, vz = means[:, 5:].split(channels, 1)
    du, dv = u - mu, v - mv
    # Far from its samples a plane is flattened: there it would be noise times distance.
    ridge = (PLANE_RIDGE / COORDINATE_UNIT) ** 2 + EXTRAPOLATION_RIDGE**2 * (du * du + dv * dv)
    uu, uv, vv = uu - mu * mu + ridge, uv - mu * mv, vv - mv * mv + ridge
    uz, vz = uz - mz * mu, vz - mz * mv
    determinant = torch.maximum(uu * vv - uv * uv, 0.25 * ridge * ridge)
    slope_u, slope_v = (vv * uz - uv * vz) / determinant, (uu * vz - uv * uz) / determinant
    return mz + slope_u * du + slope_v * dv, slope_u, slope_v


def within(planes: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """Planes that leave the range of the samples by ``PLANE_MARGIN`` at most."""
    return torch.minimum(torch.maximum(planes, lowest - PLANE_MARGIN), highest + PLANE_MARGIN)


def pyramid_sum(
    x: Tensor, finest: int = 0, coarsest: int = PYRAMID_LEVELS, whole: bool = False
) -> Tensor:
    """Sum of ``x`` around each pixel, weighted by 1 / distance^``KERNEL_POWER``.

    Args:
        x: [B, C, H, W].
        finest: level of the pyramid at which the sum ends, that is of the result: what lies within
            2^finest pixels counts alike.
        coarsest: level at which it begins: what lies beyond 2^coarsest pixels counts alike.
        whole: H and W are multiples of 2^coarsest, which is faster: no size has to be computed.
    """
    levels = [x]
    for _ in range(coarsest):
        levels.append(F.avg_pool2d(levels[-1], 2) if whole else _halve(levels[-1]))
    # Halving takes means, which already divides each level's sum by four.
    decay = 2.0 ** (2.0 - KERNEL_POWER)
    total = levels.pop()
    total = total + decay * total.mean((2, 3), keepdim=True)  # so that every sample counts anywhere
    while len(levels) > finest:
        finer = levels.pop()
        total = finer + decay * (enlarged(total, 2) if whole else _resize(total, finer.shape[-2:]))
    return total


def local_range(values: Tensor, mask: Tensor) -> Tensor:
    """Nearest and farthest sample around each pixel: the two sides of an edge.

    The window is the smallest of a pyramid that holds at least three samples.

    Args:
        values: [B, 1, H, W] log depth, read where the mask is 1; H and W multiples of 16.
        mask: [B, 1, H, W] in {0, 1}; at least one sample.

    Returns:
        [B, 2, H, W]: smallest and largest value.
    """
    extremes = where_known(mask, torch.cat([-values, values], 1), NONE)
    counts = mask
    levels = []
    for level in range(RANGE_LEVELS + 1):
        if level:
            extremes, counts = F.max_pool2d(extremes, 2), 4 * F.avg_pool2d(counts, 2)
        enough = (9 * F.avg_pool2d(counts, 3, 1, 1) > RANGE_SAMPLES).float()
        levels.append((F.max_pool2d(extremes, 3, 1, 1), enough))
    chosen = extremes.amax((2, 3), keepdim=True).expand_as(extremes)
    for level, (widest, enough) in enumerate(reversed(levels)):
        if level:
            chosen = _resize(chosen, widest.shape[-2:])
        chosen = where_known(enough, widest, chosen)
    near, far = chosen.split(1, 1)
    return torch.cat([-near, far], 1)


def neighbours(field: Tensor, beyond: str = "replicate") -> Tensor:
    """The 3x3 neighbourhood of each pixel as channels, row by row: [B, C, H, W] -> [B, 9 C, H, W].

    Args:
        field: values.
        beyond: what lies beyond the border: "replicate" or "constant" zeros.
    """
    return torch.cat(shifts(field, beyond), 1)


def shifts(
    field: Tensor,
    beyond: str = "replicate",
    reach: tuple[int, int] = (1, 1),
    spacing: int = 1,
    only: int | None = None,
) -> list[Tensor]:
    """The field as each pixel's neighbours see it, row by row of the neighbourhood.

    Args:
        field: values [B, C, H, W].
        beyond: what lies beyond the border: "replicate" or "constant" zeros.
        reach: neighbours up and down, left and right.
        spacing: pixels from one neighbour to the next.
        only: number of the one neighbour that is wanted.
    """
    height, width = field.shape[-2:]
    rows, columns = (spacing * n for n in reach)
    padded = F.pad(field, (columns, columns, rows, rows), mode=beyond)
    places = [
        (y, x) for y in range(0, 2 * rows + 1, spacing) for x in range(0, 2 * columns + 1, spacing)
    ]
    if only is not None:
        places = [places[only]]
    # Columns first: what is cut off rows is copied in one piece, and the columns are shared.
    return [padded[..., x : x + width][..., y : y + height, :] for y, x in places]


def weighted_sum(weights: Sequence[Tensor], fields: Sequence[Tensor]) -> Tensor:
    """Sum of the fields, each times its weight: faster at run time than a product of stacks."""
    total = weights[0] * fields[0]
    for weight, field in zip(weights[1:], fields[1:], strict=True):
        total = total + weight * field
    return total


def _halve(x: Tensor) -> Tensor:
    """Mean of 2x2 cells; odd sizes round up."""
    return _resize(x, torch.Size(((x.shape[-2] + 1) // 2, (x.shape[-1] + 1) // 2)))


def enlarged(x: Tensor, times: float) -> Tensor:
    """Bilinear, [B, C, H, W] to [B, C, times H, times W]."""
    if times == 1:
        return x
    return F.interpolate(x, scale_factor=float(times), mode="bilinear", align_corners=False)


def _resize(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
