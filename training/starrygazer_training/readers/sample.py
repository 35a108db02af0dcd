"""What every reader gives: samples, one key each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics
from starrygazer_training.readers.errors import DatasetLayoutError


@dataclass(frozen=True)
class Sample:
    """One frame of a depth-completion data set; all its maps have the image's size.

    Attributes:
        source: file that the image was read from, for messages.
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = no measurement; None where the data set has none
            and protocols draw it from ``depth``.
        depth: float32 [H, W] metres, 0 = unknown; all 0 where the data set has no ground truth.
        intrinsics: of this image size; None where the data set does not give them.

    Raises:
        DatasetLayoutError: the maps or the intrinsics are not of the image's size.
    """

    source: Path
    image: NDArray[np.uint8]
    sparse_depth: NDArray[np.float32] | None
    depth: NDArray[np.float32]
    intrinsics: Intrinsics | None = None

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        sizes = {"depth": self.depth.shape}
        if self.sparse_depth is not None:
            sizes["sparse depth"] = self.sparse_depth.shape
        if self.intrinsics is not None:
            sizes["intrinsics"] = (self.intrinsics.height, self.intrinsics.width)
        for what, shape in sizes.items():
            if shape != (height, width):
                raise DatasetLayoutError(
                    self.source,
                    expected=f"{what} of the image's size {width}x{height}",
                    found=f"{shape[1]}x{shape[0]}",
                    remedy="Image and depth must be pixel-aligned: do not resize only one of them.",
                )


class CompletionDataset(Protocol):
    """Frames that are read one at a time; instances can be sent to worker processes."""

    @property
    def name(self) -> str:
        """Of the data set and its part, for tables."""

    @property
    def keys(self) -> tuple[str, ...]:
        """One per frame, in a fixed order; never empty."""

    def load(self, key: str) -> Sample:
        """Read one frame.

        Raises:
            KeyError: ``key`` is not one of ``keys``.
            DatasetLayoutError: a file of the frame is missing, broken or of the wrong kind.
        """
