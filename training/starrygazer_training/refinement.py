"""The refinement network: image, relative and sparse depth in, dense depth and confidence out.

It works on a grid of square cells, a few pixels of the image on a side: its cost falls with the
square of a cell's size. The weights are the same for any size; those of cells of two pixels serve
larger ones, too (docs/speed.md). Six steps, all inside the graph:

1. **Align** the relative inverse depth to the sparse points with a robust affine fit.
2. **Doubt** each sample that does not fit those around it: background seen past an edge, outliers.
   All that follows takes less from it.
3. **Interpolate** the sparse depth by local planes, once as it is and once as the residual that
   the fit leaves, which keeps the shape of the relative depth between the points.
4. **Guide and correct** on a grid half as fine: a U-Net that sees all this and the image gives
   each cell features, and looks at each sample again, because what is wrong beside the others may
   be a thin object. Both interpolations are made again, from samples with similar features only,
   so that planes end where objects do. It blends the two, adds a correction, and lets it travel
   along predicted affinities while the measurements are re-injected (CSPN, Cheng et al. 2018).
5. **Sharpen** on the grid itself: near an edge take the depth of the nearest or the farthest sample
   around, or of those with similar features, propagate the depth itself, then upsample convexly
   (RAFT, Teed & Deng 2020) to half a cell, so that it lies on one side of an edge.
6. **Return to the measurements**: what is still missing at the sparse points is interpolated and
   added where the network trusts it; then, if it is little, once more at each point itself,
   wherever it lies in its cell.

Depth is seen only as its logarithm minus the mean logarithm of the sparse points: multiplying the
sparse depth by k multiplies the output by k.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_training.config import GRID_MULTIPLE, TRAINED_CELL
from starrygazer_training.interpolation import (
    align,
    around,
    centred_log,
    enlarged,
    front,
    guided_planes,
    local_planes,
    local_range,
    pool,
    shifts,
    similar_mean,
    weighted_sum,
)
from starrygazer_training.plausibility import Plausibility, reliability

WIDTHS = (24, 48, 72, 96, 112)  # on the grid, at 1/2, 1/4, 1/8, 1/16 of it
EMBEDDING = 8  # features that decide which samples belong together
FINE_EMBEDDING = 6  # the same on the grid
COARSE_STEPS = 6
FINE_STEPS = 3
MOST_BEYOND = 4.0  # log depth, that any pixel may lie beyond the range of the samples
LARGEST_LOGIT = 15.0
LEAST_RELIABILITY = 1e-6  # above 0: where all are doubtful there is still something to go by
SLIGHTLY_OFF = 0.1  # log depth; pixels further from their sample lie beyond an edge, which stays
DEPTH_FEATURES = 9
CHANNELS_AT_ONCE = 8
BLOCKS = (0, 1, 2, 2, 2)  # residual blocks at each size; large maps cost most: keep them thin


class Refined(NamedTuple):
    """What the network says of a scene; logarithms of depth are natural and without ``centre``.

    Attributes:
        log_depth: [B, 1, H, W].
        log_error: [B, 1, H, W] logarithm of its expected absolute error.
        centre: [B, 1, 1, 1] mean logarithm of the sparse depth.
        plausibility: [B, 1, H/cell, W/cell] logit that the samples in a cell are right.
    """

    log_depth: Tensor
    log_error: Tensor
    centre: Tensor
    plausibility: Tensor


class Refinement(nn.Module):
    """See the module's description. About 1.6 million parameters.

    Args:
        see_image: without, the image is replaced by grey; for an ablation.
        see_relative_depth: without, relative depth is replaced by a constant; for an ablation.
        cell: pixels of the image on a side of a cell, at least 2.

    Attributes:
        cell: as given; may change between two images.
    """

    def __init__(
        self,
        see_image: bool = True,
        see_relative_depth: bool = True,
        cell: int = TRAINED_CELL,
    ) -> None:
        super().__init__()
        self._see_image, self._see_relative_depth = see_image, see_relative_depth
        self.cell = cell
        self.plausibility = Plausibility()
        self.stem = nn.Sequential(_conv(3, 16, stride=2), nn.ReLU())
        self.encoder = nn.ModuleList()
        inputs = 16 + DEPTH_FEATURES
        for index, width in enumerate(WIDTHS):
            down = _conv(inputs, width, stride=1 if index == 0 else 2)
            body = [_Residual(width) for _ in range(BLOCKS[index])]
            self.encoder.append(nn.Sequential(down, nn.ReLU(), *body))
            inputs = width
        self.decoder = nn.ModuleList()
        for width in reversed(WIDTHS[:-1]):
            self.decoder.append(nn.Sequential(_conv(inputs + width, width), nn.ReLU()))
            inputs = width
        # 3x3 affinities, correction, trust in a sample, blend of the two interpolations, how much
        # a sample counts in them.
        self.coarse = nn.Conv2d(WIDTHS[1], 9 + 4, 3, padding=1)
        # 3x3 affinities, correction, log of the expected error, trust in what is left at the end,
        # preference for the nearest sample around, the farthest, and those with similar features.
        self.fine = _Conv(WIDTHS[0] + 5, 9 + 6, 3, padding=1)
        self.embed_fine = nn.Conv2d(WIDTHS[0], FINE_EMBEDDING, 1)
        self.embed = nn.Conv2d(WIDTHS[1], EMBEDDING, 1)
        self.widen = nn.Conv2d(WIDTHS[1], 4 * 9, 1)
        self.convex = nn.Sequential(
            nn.Conv2d(WIDTHS[0] + 12, 32, 1), nn.ReLU(), nn.Conv2d(32, 4 * 9, 1)
        )
        for head in (self.coarse, self.fine):  # start as the interpolation itself
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
            head.bias.data[4] = 3.0
        self.fine.bias.data[12:] = -4.0
        nn.init.zeros_(self.widen.weight)
        nn.init.zeros_(self.widen.bias)
        # Bilinear: each quarter of a pixel lies nearest to its centre, then to two sides.
        self.widen.bias.data.copy_(_bilinear_logits())

    @property
    def multiple(self) -> int:
        """Height and width of the inputs are multiples of this."""
        return GRID_MULTIPLE * self.cell

    def forward(
        self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Dense depth and confidence.

        Args:
            image: [B, 3, H, W] RGB in 0..1; H and W multiples of ``multiple``.
            relative_depth: [B, 1, H, W] relative inverse depth, larger = nearer.
            sparse_depth: [B, 1, H, W] metres, 0 = none; at least one point.

        Returns:
            depth [B, 1, H, W] in metres, confidence [B, 1, H, W] in 0..1.
        """
        refined = self.refine(image, relative_depth, sparse_depth)
        return torch.exp(refined.log_depth + refined.centre), confidence(refined.log_error)

    def refine(self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor) -> Refined:
        """Like :meth:`forward`, in logarithms, for the loss."""
        if not self._see_image:
            image = torch.full_like(image, 0.5)
        if not self._see_relative_depth:
            relative_depth = torch.zeros_like(relative_depth)
        with torch.autocast("cpu", enabled=False):
            log_sparse, mask, centre = centred_log(sparse_depth)
            foremost = front(log_sparse, mask, self.cell)
            values, known = pool(log_sparse, foremost, self.cell)
            aligned = align(F.avg_pool2d(relative_depth, self.cell), values, known)
            plausibility = self.plausibility(values, values - aligned, known)
            samples = _Samples(values, known, plausibility)
            features = _interpolations(samples, aligned)
        if self.cell > 2:
            size = torch.Size(2 * side for side in values.shape[-2:])
            image = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        fine, coarse = self._unet(torch.cat([self.stem(image - 0.5), *features], 1))
        log_depth, samples = self._correct(samples, aligned, coarse)
        log_depth, log_error, trust = self._sharpen(samples, log_depth, fine, image)
        with torch.autocast("cpu", enabled=False):
            log_depth = enlarged(log_depth, self.cell / 2)
            left = samples.reliable * pool(log_sparse - log_depth, foremost, self.cell)[0]
            log_depth = log_depth + enlarged(local_planes(left, known)[0] * trust, self.cell)
            off = log_sparse - log_depth
            trust = F.interpolate(trust * samples.reliable, scale_factor=float(self.cell))
            trust = trust * foremost / (1 + (off / SLIGHTLY_OFF).square())
            log_depth = log_depth + around(off, trust, self.cell)
            farthest, nearest = (
                extreme((2, 3), keepdim=True) for extreme in (log_sparse.amax, log_sparse.amin)
            )
            log_depth = torch.minimum(log_depth, farthest + MOST_BEYOND)
            log_depth = torch.maximum(log_depth, nearest - MOST_BEYOND)
        return Refined(log_depth, enlarged(log_error, self.cell), centre, plausibility)

    def _correct(
        self, samples: _Samples, aligned: Tensor, features: Tensor
    ) -> tuple[Tensor, _Samples]:
        """Log depth on the grid [B, 1, h, w], and the samples as they are judged with the image.

        Args:
            samples: on the grid.
            aligned: [B, 1, h, w] log depth of the relative depth.
            features: of the U-Net, [B, C, h/2, w/2].
        """
        embedding, heads = self.embed(features).float(), self.coarse(features).float()
        affinity, correction = shares(heads[:, :9], 1), heads[:, 9:10]
        blend = torch.sigmoid(heads[:, 11:12])
        samples = samples.judged_with(heads[:, 12:13])
        with torch.autocast("cpu", enabled=False):
            both = torch.cat([samples.log_depth, samples.log_depth - aligned], 1)
            weight = samples.reliable * front(samples.log_depth, samples.known)
            measured, known = pool(both, weight)
            reliable = pool(samples.reliable, samples.known)[0]
            counts = reliable + LEAST_RELIABILITY
            plain, residual = guided_planes(measured, known, embedding, counts).split(1, 1)
            base = plain + blend * (F.avg_pool2d(aligned, 2) + residual - plain)
        trust = known * reliable * torch.sigmoid(heads[:, 10:11] + 2.0)
        missing = measured[:, :1] - base
        for _ in range(COARSE_STEPS):
            correction = trust * missing + (1 - trust) * propagate(correction, affinity)
        return convex_upsample(base + correction, self.widen(features).float()), samples

    def _sharpen(
        self, samples: _Samples, log_depth: Tensor, features: Tensor, image: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log depth [B, 1, 2h, 2w]; the logarithm of its error and trust in samples [B, 1, h, w].

        Args:
            samples: on the grid.
            log_depth: [B, 1, h, w].
            features: of the U-Net, [B, C, h, w].
            image: [B, 3, 2h, 2w].
        """
        off = (samples.log_depth - log_depth) * samples.known
        embedding = self.embed_fine(features).float()
        with torch.autocast("cpu", enabled=False):
            similar = similar_mean(samples.log_depth, samples.reliable, embedding, log_depth)
        sides = torch.cat([samples.range(), similar], 1)
        heads = self.fine(torch.cat([features, off, samples.known, sides - log_depth], 1)).float()
        affinity = shares(heads[:, :9], 1)
        log_depth = log_depth + heads[:, 9:10]
        choice = shares(torch.cat([torch.zeros_like(log_depth), heads[:, 12:]], 1), 1)
        log_depth = (choice * torch.cat([log_depth, sides], 1)).sum(1, keepdim=True)
        for _ in range(FINE_STEPS):
            log_depth = propagate(log_depth, affinity)
        log_depth = convex_upsample(log_depth, self._convex_logits(features, image).float())
        return log_depth, heads[:, 10:11] - 2.0, torch.sigmoid(heads[:, 11:12] + 2.0)

    def _convex_logits(self, features: Tensor, image: Tensor) -> Tensor:
        """``convex`` of the features and the four pixels of each cell, without moving the pixels.

        A 1x1 convolution of pixels that were moved into channels is a 2x2 one of the image.
        """
        first, *others = self.convex
        features, pixels = (x.to(first.weight.dtype) for x in (features, image - 0.5))
        of_features, of_pixels = first.weight.split([features.shape[1], 12], 1)
        hidden = F.conv2d(features, of_features, first.bias)
        hidden = hidden + F.conv2d(pixels, of_pixels.reshape(-1, 3, 2, 2), stride=2)
        for layer in others:
            hidden = layer(hidden)
        return hidden

    def _unet(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Decoded features on the grid and at half its size."""
        skips = []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
        decoded = [skips.pop()]
        for stage in self.decoder:
            decoded.append(stage(torch.cat([enlarged(decoded[-1], 2), skips.pop()], 1)))
        return decoded[-1], decoded[-2]


class _Samples(NamedTuple):
    """Sparse depth on the grid, each map [B, 1, h, w].

    Attributes:
        log_depth: read where ``known`` is 1.
        known: in {0, 1}.
        plausibility: logit.
    """

    log_depth: Tensor
    known: Tensor
    plausibility: Tensor

    @property
    def reliable(self) -> Tensor:
        """How much a sample counts, above 0 where there is one."""
        return self.known * (reliability(self.plausibility) + LEAST_RELIABILITY)

    def judged_with(self, evidence: Tensor) -> _Samples:
        """The same samples with evidence [B, 1, h/2, w/2] added to their logits."""
        more = F.interpolate(evidence, scale_factor=2.0, mode="nearest")
        return self._replace(plausibility=self.plausibility + more)

    def range(self) -> Tensor:
        """Nearest and farthest sample around, [B, 2, h, w]."""
        # Half as reliable as the best one at least: never none.
        reliable = self.reliable
        trusted = 2 * reliable >= reliable.amax((2, 3), keepdim=True)
        return local_range(self.log_depth, trusted.float())


def _interpolations(samples: _Samples, aligned: Tensor) -> list[Tensor]:
    """What the U-Net sees of depth: ``DEPTH_FEATURES`` maps."""
    log_depth, known, reliable = samples.log_depth, samples.known, samples.reliable
    planes, density = local_planes(torch.cat([log_depth, log_depth - aligned], 1), reliable)
    plain, residual = planes.split(1, 1)
    guided = aligned + residual
    surprise = (log_depth - plain) * known
    return [
        aligned,
        plain,
        guided - plain,
        surprise,
        known,
        reliable,
        density,
        samples.range() - plain,
    ]


def confidence(log_error: Tensor) -> Tensor:
    """Map the expected absolute log error e to 1 / (1 + (e / 5%)): 0.5 at 5% expected error."""
    return 1.0 / (1.0 + torch.exp(log_error) / 0.05)


def shares(logits: Tensor, dim: int) -> Tensor:
    """Softmax of moderate logits in plain operators: ONNX Runtime's own is slow across channels."""
    weights = _positive(logits)
    return weights / weights.sum(dim, keepdim=True)


def _positive(logits: Tensor) -> Tensor:
    return torch.exp(logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT))


def propagate(field: Tensor, affinity: Tensor) -> Tensor:
    """One step of spatial propagation: each pixel becomes the affine mean of its 3x3 neighbours.

    Args:
        field: [B, 1, H, W].
        affinity: [B, 9, H, W], sums to one over the neighbours.
    """
    return weighted_sum(affinity.split(1, 1), shifts(field))


def convex_upsample(field: Tensor, weights: Tensor) -> Tensor:
    """Twice the size; each new pixel is a convex combination of its nine coarse neighbours.

    Args:
        field: [B, 1, H, W].
        weights: [B, 36, H, W] logits, nine per sub-pixel.
    """
    batch, _, height, width = field.shape
    parts = _positive(weights.contiguous().view(batch, 4, 9, height, width)).unbind(2)
    return F.pixel_shuffle(weighted_sum(parts, shifts(field)) / sum(parts), 2)


def _bilinear_logits() -> Tensor:
    """Logits of :func:`convex_upsample` that make it bilinear, [36]."""
    logits = torch.full((4, 3, 3), -9.0)
    for y in range(2):
        for x in range(2):
            for row, a in ((1, 0.75), (2 * y, 0.25)):
                for column, b in ((1, 0.75), (2 * x, 0.25)):
                    logits[2 * y + x, row, column] = math.log(a * b)
    return logits.flatten()


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(_Conv(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class _Conv(nn.Conv2d):
    """Adds maps of zeros up to a multiple of ``CHANNELS_AT_ONCE``.

    ONNX Runtime takes other numbers of channels through a matrix, in nearly twice the time.
    """

    def forward(self, x: Tensor) -> Tensor:
        missing = -self.in_channels % CHANNELS_AT_ONCE
        if missing == 0 or self.in_channels < CHANNELS_AT_ONCE:
            return super().forward(x)
        x, weight = (F.pad(maps, (0, 0, 0, 0, 0, missing)) for maps in (x, self.weight))
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)
