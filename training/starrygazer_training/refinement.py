"""The refinement network: image, relative and sparse depth in, dense depth and confidence out.

Five steps, all inside the graph:

1. **Align** the relative inverse depth to the sparse points with a robust affine fit.
2. **Interpolate** the sparse depth by local planes, once as it is and once as the residual that
   the fit leaves, which keeps the shape of the relative depth between the points.
3. **Choose and correct**: a U-Net that sees the image blends the two, adds a correction, and lets
   it travel along predicted affinities at 1/4 size while the measurements are re-injected (CSPN,
   Cheng et al. 2018).
4. **Sharpen**: propagate the depth itself at 1/2 size, then upsample convexly (RAFT, Teed & Deng
   2020), so that each pixel takes its depth from the side of an edge on which it lies.
5. **Return to the measurements**: what is still missing at the sparse points is interpolated and
   added where the network trusts it.

Depth is seen only as its logarithm minus the mean logarithm of the sparse points: multiplying the
sparse depth by k multiplies the output by k.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (24, 48, 72, 96, 112)  # at 1/2, 1/4, 1/8, 1/16, 1/32
MULTIPLE = 32
FIT_ITERATIONS = 4
FIT_TOLERANCE = 0.15  # relative inverse-depth error at which a point's weight has halved
PYRAMID_LEVELS = 7
KERNEL_POWER = 6.0  # a sample's weight falls with this power of its distance
PLANE_RIDGE = 1.0  # pixels; planes of samples that lie closer together are flattened
EXTRAPOLATION_RIDGE = 0.1  # the same, per pixel of distance from the samples' centre
PLANE_MARGIN = 0.2  # log depth by which a plane may leave the range of the samples
COORDINATE_UNIT = 256.0  # pixels; keeps second moments well within float32
COARSE_STEPS = 6
FINE_STEPS = 3
MAX_LOG_DEVIATION = 4.0
DEPTH_FEATURES = 6


class Refinement(nn.Module):
    """See the module's description. About one million parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 16, stride=2), nn.ReLU())
        self.encoder = nn.ModuleList()
        inputs = 16 + DEPTH_FEATURES
        for index, width in enumerate(WIDTHS):
            down = _conv(inputs, width, stride=1 if index == 0 else 2)
            body = [_Residual(width)] if index else []  # full-size maps cost most: keep them thin
            self.encoder.append(nn.Sequential(down, nn.ReLU(), *body))
            inputs = width
        self.decoder = nn.ModuleList()
        for width in reversed(WIDTHS[:-1]):
            self.decoder.append(nn.Sequential(_conv(inputs + width, width), nn.ReLU()))
            inputs = width
        # 3x3 affinities, correction, trust in a sample, blend of the two interpolations.
        self.coarse = nn.Conv2d(WIDTHS[1], 9 + 3, 3, padding=1)
        # 3x3 affinities, correction, log of the expected error, trust in what is left at the end.
        self.fine = nn.Conv2d(WIDTHS[0] + 1, 9 + 3, 3, padding=1)
        self.convex = nn.Sequential(
            nn.Conv2d(WIDTHS[0] + 12, 32, 1), nn.ReLU(), nn.Conv2d(32, 4 * 9, 1)
        )
        for head in (self.coarse, self.fine):  # start as the interpolation itself
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            head.bias.data[4] = 3.0

    def forward(
        self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Dense depth and confidence.

        Args:
            image: [B, 3, H, W] RGB in 0..1; H and W multiples of 32.
            relative_depth: [B, 1, H, W] relative inverse depth, larger = nearer.
            sparse_depth: [B, 1, H, W] metres, 0 = none; at least one point.

        Returns:
            depth [B, 1, H, W] in metres, confidence [B, 1, H, W] in 0..1.
        """
        log_depth, log_error, centre = self.log_depth(image, relative_depth, sparse_depth)
        return torch.exp(log_depth + centre), confidence(log_error)

    def log_depth(
        self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Centred log depth, log of its expected error, both [B, 1, H, W], and the centre."""
        with torch.autocast("cpu", enabled=False):
            log_sparse, mask, centre = centred_log(sparse_depth)
            aligned = align(relative_depth, log_sparse, mask)
            samples, known = pool(log_sparse, mask)  # all from here on [B, 1, H/2, W/2]
            aligned = F.avg_pool2d(aligned, 2)
            planes, density = local_planes(torch.cat([samples, samples - aligned], 1), known)
            plain, residual = planes.split(1, 1)
            guided = aligned + residual
            features = [aligned, plain, guided - plain, (samples - plain) * known, known, density]

        half, quarter = self._unet(torch.cat([self.stem(image - 0.5), *features], 1))

        coarse = self.coarse(quarter).float()
        affinity = torch.softmax(coarse[:, :9], 1)
        blend = torch.sigmoid(coarse[:, 11:12])
        base = plain + _double(blend) * (guided - plain)
        missing, known4 = pool(samples - base, known)
        trust = known4 * torch.sigmoid(coarse[:, 10:11] + 2.0)
        correction = coarse[:, 9:10]
        for _ in range(COARSE_STEPS):
            correction = trust * missing + (1 - trust) * propagate(correction, affinity)
        correction = _double(correction)

        fine = self.fine(torch.cat([half, correction], 1)).float()
        affinity = torch.softmax(fine[:, :9], 1)
        log_depth = base + correction + fine[:, 9:10]
        for _ in range(FINE_STEPS):
            log_depth = propagate(log_depth, affinity)
        weights = self.convex(torch.cat([half, F.pixel_unshuffle(image - 0.5, 2)], 1)).float()
        log_depth = convex_upsample(log_depth, weights)  # [B, 1, H, W]

        with torch.autocast("cpu", enabled=False):
            left, _ = local_planes(pool(log_sparse - log_depth, mask)[0], known)
            log_depth = log_depth + _double(left * torch.sigmoid(fine[:, 11:12] + 2.0))
        log_depth = log_depth.clamp(-MAX_LOG_DEVIATION, MAX_LOG_DEVIATION)
        return log_depth, _double(fine[:, 10:11] - 2.0), centre

    def _unet(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Decoded features at 1/2 and 1/4 of the image's size."""
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        decoded = [skips.pop()]
        for stage in self.decoder:
            decoded.append(stage(torch.cat([_double(decoded[-1]), skips.pop()], 1)))
        return decoded[-1], decoded[-2]


def confidence(log_error: Tensor) -> Tensor:
    """Map the expected absolute log error e to 1 / (1 + (e / 5%)): 0.5 at 5% expected error."""
    return 1.0 / (1.0 + torch.exp(log_error) / 0.05)


def centred_log(sparse_depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithm of the sparse depth minus its mean, where there is a point; mask; the mean."""
    mask = (sparse_depth > 0).float()
    log = torch.log(torch.where(sparse_depth > 0, sparse_depth, torch.ones_like(sparse_depth)))
    axes = (1, 2, 3)
    centre = (log * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp_min(1)
    return (log - centre) * mask, mask, centre


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
    known = mask > 0
    far = torch.where(known, inverse, torch.full_like(inverse, 1e4)).amin(axes, keepdim=True)
    near = torch.where(known, inverse, torch.zeros_like(inverse)).amax(axes, keepdim=True)
    return -torch.log(torch.maximum(torch.minimum(fitted, 2 * near), far / 2))


def pool(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the masked values in each 2x2 cell, and whether there is one."""
    share = F.avg_pool2d(mask, 2)
    return F.avg_pool2d(values * mask, 2) / share.clamp_min(1e-6), (share > 0).float()


def local_planes(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Moving least squares of degree one (Lancaster & Salkauskas 1981): planes are kept exactly.

    Each pixel gets the value of its own weighted plane fit. The weight 1/d^p of a sample at
    distance d is approximated by a sum of tents over a pyramid, which double in width and fall by
    2^p per level, so that the cost does not depend on the number of samples.

    Args:
        values: [B, C, H, W], read where the mask is 1.
        mask: [B, 1, H, W] in {0, 1}; at least one sample.

    Returns:
        interpolated [B, C, H, W], and a log density of samples [B, 1, H, W], both smooth.
    """
    height, width = values.shape[-2:]
    u = (torch.arange(width, device=values.device) / COORDINATE_UNIT).view(1, 1, 1, -1)
    v = (torch.arange(height, device=values.device) / COORDINATE_UNIT).view(1, 1, -1, 1)
    u, v = u - u.mean(), v - v.mean()
    masked = values * mask
    moments = [mask, mask * u, mask * v, mask * u * u, mask * u * v, mask * v * v]
    sums = pyramid_sum(torch.cat([*moments, masked, masked * u, masked * v], 1))
    channels = values.shape[1]
    weight, *first_and_second = sums[:, :6].split(1, 1)
    mu, mv, uu, uv, vv = (moment / (weight + 1e-20) for moment in first_and_second)
    mz, uz, vz = (sums[:, 6:] / (weight + 1e-20)).split(channels, 1)
    du, dv = u - mu, v - mv
    # Far from its samples a plane is flattened: there it would be noise times distance.
    ridge = (PLANE_RIDGE / COORDINATE_UNIT) ** 2 + EXTRAPOLATION_RIDGE**2 * (du * du + dv * dv)
    uu, uv, vv = uu - mu * mu + ridge, uv - mu * mv, vv - mv * mv + ridge
    uz, vz = uz - mz * mu, vz - mz * mv
    determinant = torch.maximum(uu * vv - uv * uv, 0.25 * ridge * ridge)
    slope_u, slope_v = (vv * uz - uv * vz) / determinant, (uu * vz - uv * uz) / determinant
    plane = mz + slope_u * du + slope_v * dv
    lowest = torch.where(mask > 0, values, torch.full_like(values, 1e4)).amin((2, 3), keepdim=True)
    highest = torch.where(mask > 0, values, torch.full_like(values, -1e4)).amax(
        (2, 3), keepdim=True
    )
    plane = torch.minimum(torch.maximum(plane, lowest - PLANE_MARGIN), highest + PLANE_MARGIN)
    return plane, torch.log(weight + 1e-12) / 8


def pyramid_sum(x: Tensor) -> Tensor:
    """Sum of ``x`` around each pixel, weighted by 1 / distance^``KERNEL_POWER``."""
    levels = [x]
    for _ in range(PYRAMID_LEVELS):
        levels.append(_halve(levels[-1]))
    # Halving takes means, which already divides each level's sum by four.
    decay = 2.0 ** (2.0 - KERNEL_POWER)
    total = levels.pop()
    total = total + decay * total.mean((2, 3), keepdim=True)  # so that every sample counts anywhere
    while levels:
        finer = levels.pop()
        total = finer + decay * _resize(total, finer.shape[-2:])
    return total


def propagate(field: Tensor, affinity: Tensor) -> Tensor:
    """One step of spatial propagation: each pixel becomes the affine mean of its 3x3 neighbours.

    Args:
        field: [B, 1, H, W].
        affinity: [B, 9, H, W], sums to one over the neighbours.
    """
    return (affinity * neighbours(field)).sum(1, keepdim=True)


def neighbours(field: Tensor) -> Tensor:
    """The 3x3 neighbourhood of each pixel as channels: [B, 1, H, W] -> [B, 9, H, W]."""
    height, width = field.shape[-2:]
    padded = F.pad(field, (1, 1, 1, 1), mode="replicate")
    shifted = [padded[..., y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return torch.cat(shifted, 1)


def convex_upsample(field: Tensor, weights: Tensor) -> Tensor:
    """Twice the size; each new pixel is a convex combination of its nine coarse neighbours.

    Args:
        field: [B, 1, H, W].
        weights: [B, 36, H, W] logits, nine per sub-pixel.
    """
    near = neighbours(field)
    subpixels = [
        (torch.softmax(weights[:, 9 * i : 9 * (i + 1)], 1) * near).sum(1, keepdim=True)
        for i in range(4)
    ]
    return F.pixel_shuffle(torch.cat(subpixels, 1), 2)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
    )


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _halve(x: Tensor) -> Tensor:
    """Mean of 2x2 cells; odd sizes round up."""
    return _resize(x, torch.Size(((x.shape[-2] + 1) // 2, (x.shape[-1] + 1) // 2)))


def _resize(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
