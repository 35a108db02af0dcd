"""The teacher's networks: a light head on frozen DINOv2 features, and the trunk inside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_training.dinov2 import LAYERS, WIDTH

UPSAMPLING = 8  # output cells per patch side
TRUNK_WIDTH = 96


class TeacherTrunk(nn.Module):
    """Fuses four feature maps to relative depth of one cell a patch; cheap enough to learn long."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(WIDTH, TRUNK_WIDTH, 1) for _ in LAYERS)
        self.fuse = nn.Sequential(_Residual(TRUNK_WIDTH), _Residual(TRUNK_WIDTH))
        self.depth = nn.Conv2d(TRUNK_WIDTH, 1, 1)

    def encode(self, features: Tensor) -> Tensor:
        """[B, 4, 384, h, w] to the fused map [B, 96, h, w]."""
        return self.fuse(
            sum(p(f) for p, f in zip(self.project, features.unbind(1), strict=True))  # type: ignore[arg-type]
        )

    def forward(self, features: Tensor) -> Tensor:
        """Relative inverse depth [B, 1, h, w], larger = nearer, of [B, 4, 384, h, w]."""
        return self.depth(self.encode(features))


class TeacherHead(nn.Module):
    """Refines the trunk's depth with image detail while it upsamples to eight cells a patch.

    After the reassembly and fusion of DPT (Ranftl et al., ICCV 2021), with a light image branch for
    what a patch of 14 pixels cannot tell.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = TeacherTrunk()
        self.detail8 = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.GELU(), nn.Conv2d(16, 16, 3, padding=1), nn.GELU()
        )
        self.detail4 = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.GELU(), _Residual(32))
        self.up2 = nn.Sequential(nn.Conv2d(TRUNK_WIDTH, 64, 3, padding=1), nn.GELU(), _Residual(64))
        self.up4 = nn.Sequential(nn.Conv2d(64 + 32, 48, 3, padding=1), nn.GELU(), _Residual(48))
        self.up8 = nn.Sequential(
            nn.Conv2d(48 + 16, 32, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 1, 1),
        )

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        """Relative inverse depth.

        Args:
            features: [B, 4, 384, h, w].
            image: [B, 3, 8 h, 8 w] RGB in 0..1.

        Returns:
            [B, 1, 8 h, 8 w], larger = nearer.
        """
        detail8 = self.detail8(image - 0.5)
        detail4 = self.detail4(detail8)
        fused = self.trunk.encode(features)
        x = self.up2(_double(fused))
        x = self.up4(torch.cat([_double(x), detail4], 1))
        smooth = _double(_double(_double(self.trunk.depth(fused))))
        return smooth + self.up8(torch.cat([_double(x), detail8], 1))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
