"""A bundle without networks: local planes through the sparse depth, for the least time.

It does not look at the image. Where there is no time for a network it is on average more exact than
the classical methods, leaves out what the points around contradict, and its confidence says how
well they agree.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from starrygazer_training.export import Network, write_bundle, write_card
from starrygazer_training.interpolation import centred_log
from starrygazer_training.refinement import confidence
from starrygazer_training.robust_planes import COARSEST_CELL, robust_planes

MDE_MULTIPLE = 32
MDE_PIXELS = (2 * MDE_MULTIPLE) ** 2
WORKING_PIXELS = 128 * 96  # more take longer and are hardly more exact
_CARD = """\
# Model card: {title}

Dense depth from sparse depth alone, for budgets of time in which no network is done. There are no
weights and nothing was learned, so that no data set's licence holds. **The image is not looked
at**: `mde.onnx` gives the same relative depth everywhere, and `refinement.onnx` does not read it.

## How it works

Images are completed in about {pixels} pixels (128x96 of 640x480) and enlarged smoothly, also
between two surfaces. Each pixel gets the value of its own plane through the logarithms of the
sparse depths around it, by moving least squares (Lancaster & Salkauskas 1981) over a pyramid, so
that its cost does not depend on the number of points. That is done twice: how far a point is off
the planes of cells of 8x8 of these pixels says what it counts in the second pass, and with the
distance to the points it gives the confidence.

## Limits

- Edges lie halfway between the points on both sides, not where the image has them, and there is
  depth between the two surfaces. For obstacles and point clouds take a bundle with networks, or
  leave that depth out of the cloud (`points.edge_ratio:=0.02`).
- The image is needed all the same: its size and stamp are those of the depth, its colours those of
  the cloud. Warnings of dark, white and blurred images say nothing here
  (`diagnostics.check_image:=false`).
- A point that is alone in its cells is believed, right or wrong, and fewer wrong points are told.
- Beyond the points planes are flattened: what lies there is a guess, with a low confidence.

Scores and times beside the other bundles are in docs/accuracy.md and docs/speed.md.

## Making it

    starrygazer-train planes --output FOLDER

See training/README.md of the repository.
"""


class Nothing(nn.Module):
    """An MDE that sees no difference: the same relative depth everywhere."""

    def forward(self, image: Tensor) -> Tensor:
        """[B, 3, H, W] to zeros [B, 1, H, W]."""
        return torch.zeros_like(image[:, :1])


class Planes(nn.Module):
    """Takes and gives what a refinement network does; has no weights."""

    multiple = COARSEST_CELL

    def forward(
        self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Dense depth and confidence from the sparse depth alone.

        Args:
            image: not used.
            relative_depth: not used.
            sparse_depth: [B, 1, H, W] metres, 0 = none; at least one point. H and W multiples of
                ``multiple``.

        Returns:
            depth [B, 1, H, W] in metres, confidence [B, 1, H, W] in 0..1.
        """
        log_sparse, mask, centre = centred_log(sparse_depth)
        planes, error = robust_planes(log_sparse, mask)
        return torch.exp(planes + centre), confidence(torch.log(error))


def write_planes(output: Path, version: str) -> None:
    """Write the bundle.

    Args:
        output: its folder; new, empty, or a bundle that is replaced.
        version: of the bundle.

    Raises:
        ConfigError: the folder holds something else than a bundle.
    """
    name = output.resolve().name
    write_bundle(
        output,
        name=name,
        version=version,
        mde=Network.mde(Nothing(), MDE_MULTIPLE),
        mde_pixels=MDE_PIXELS,
        refinement=Network.refinement(Planes()),
        training={"recipe": "none: there are no weights", "torch": str(torch.__version__)},
        working_pixels=WORKING_PIXELS,
        across_edges=True,
    )
    write_card(output, _CARD.format(title=f"{name} {version}", pixels=WORKING_PIXELS))
    print(f"wrote {output}")
