"""A bundle without networks: local planes through the sparse depth alone, for the least time.

It knows nothing of the image. Where ten milliseconds are too many for a network it is more exact
than the classical methods in less time, it leaves out what others around contradict, and its
confidence says how well the sparse points agree.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from starrygazer_training.export import Network, write_bundle
from starrygazer_training.interpolation import centred_log, robust_planes
from starrygazer_training.refinement import confidence

MDE_MULTIPLE = 32
MDE_PIXELS = (2 * MDE_MULTIPLE) ** 2
CELLS = 128 * 96


class Nothing(nn.Module):
    """An MDE that sees no difference: the same relative depth everywhere."""

    def forward(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] to zeros [B, 1, H, W]."""
        return torch.zeros_like(image[:, :1])


class Planes(nn.Module):
    """Maps what a refinement network does; has no weights."""

    multiple = 32

    def forward(
        self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Dense depth and confidence from the sparse depth alone.

        Args:
            image: not used.
            relative_depth: not used.
            sparse_depth: [B, 1, H, W] metres, 0 = none; at least one point.

        Returns:
            depth [B, 1, H, W] in metres, confidence [B, 1, H, W] in 0..1.
        """
        log_sparse, mask, centre = centred_log(sparse_depth)
        planes, error = robust_planes(log_sparse, mask)
        return torch.exp(planes + centre), confidence(torch.log(error))


def write_planes(output: Path, version: str) -> None:
    """Write the bundle.

    Args:
        output: folder of the bundle.
        version: of the bundle.
    """
    write_bundle(
        output,
        name=output.resolve().name,
        version=version,
        mde=Network.mde(Nothing(), MDE_MULTIPLE),
        mde_pixels=MDE_PIXELS,
        refinement=Network.refinement(Planes()),
        working_pixels=CELLS,
        training={"recipe": "none: there are no weights", "torch": str(torch.__version__)},
    )
