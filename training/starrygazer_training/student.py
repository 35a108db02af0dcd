"""The student: a compact CNN that predicts relative inverse depth, distilled from the teacher."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_training.dinov2 import IMAGE_MEAN, IMAGE_STD

WIDTHS = (24, 48, 96, 160, 224)  # at 1/2, 1/4, 1/8, 1/16, 1/32 of the input
BLOCKS = (0, 1, 2, 4, 2)
DECODER_WIDTH = 48
MULTIPLE = 32


def _conv(
    inputs: int, outputs: int, stride: int = 1, kernel: int = 3, groups: int = 1
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a skip (He et al., CVPR 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return F.relu(x + self.body(x))


class InvertedBlock(nn.Module):
    """Expanded depthwise block with a 5x5 kernel (MobileNetV2/V3): cheap where maps are small."""

    def __init__(self, width: int, expansion: int = 3) -> None:
        super().__init__()
        inner = expansion * width
        self.body = nn.Sequential(
            _conv(width, inner, kernel=1),
            nn.ReLU(),
            _conv(inner, inner, kernel=5, groups=inner),
            nn.ReLU(),
            _conv(inner, width, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return x + self.body(x)


class Student(nn.Module):
    """Encoder to 1/32, light feature-pyramid decoder to 1/2, bilinear to full size."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1))
        stages, inputs = [], 3
        for index, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
            block = ResidualBlock if index < 3 else InvertedBlock
            body = [block(width) for _ in range(blocks)]
            stages.append(nn.Sequential(_conv(inputs, width, stride=2), nn.ReLU(), *body))
            inputs = width
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(w, DECODER_WIDTH, 1) for w in WIDTHS[1:])
        self.smooth = nn.ModuleList(
            nn.Sequential(_conv(DECODER_WIDTH, DECODER_WIDTH), nn.ReLU()) for _ in WIDTHS[1:]
        )
        self.fine = nn.Sequential(_conv(DECODER_WIDTH + WIDTHS[0], 32), nn.ReLU())
        self.out = nn.Conv2d(32, 1, 3, padding=1)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Feature maps at 1/2, 1/4, 1/8, 1/16 and 1/32."""
        x = (image - self.mean) / self.std
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def decode(self, features: list[Tensor]) -> Tensor:
        """Relative inverse depth [B, 1, H, W] from the encoder's features."""
        x: Tensor | None = None
        for feature, lateral, smooth in zip(
            reversed(features[1:]), reversed(self.lateral), reversed(self.smooth), strict=True
        ):
            skip = lateral(feature)
            x = smooth(skip if x is None else skip + _double(x))
        assert x is not None
        x = self.fine(torch.cat([_double(x), features[0]], 1))
        return _double(self.out(x))

    def forward(self, image: Tensor) -> Tensor:
        """Relative inverse depth, larger = nearer.

        Args:
            image: [B, 3, H, W] RGB in 0..1, sides multiples of 32.

        Returns:
            [B, 1, H, W].
        """
        return self.decode(self.encode(image))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
