"""The golden pair of a model bundle: what its engines have to compute anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.errors import BundleManifestError
from starrygazer_ros.npy import array_of_npy

LARGEST_ARRAY = 64 << 20  # bytes


@dataclass(frozen=True)
class GoldenPair:
    """A stored input and the reference output, to check an engine on the machine it runs on.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
        depth: float32 [H, W] metres, reference output.
        tolerance: largest relative depth difference that counts as equal.
    """

    image: NDArray[np.uint8]
    sparse_depth: NDArray[np.float32]
    depth: NDArray[np.float32]
    tolerance: float


def read_golden(path: Path, tolerance: float, minimum: int, maximum: int) -> GoldenPair:
    """Load the stored input and reference output.

    Args:
        path: ``.npz`` file.
        tolerance: see :class:`GoldenPair`.
        minimum: smallest height and width that the engines take, in pixels.
        maximum: largest height and width.

    Raises:
        BundleManifestError: the file does not hold them.
    """
    try:
        with ZipFile(path) as archive:
            image, sparse_depth, depth = (
                _array(archive, name) for name in ("image", "sparse_depth", "depth")
            )
        golden = GoldenPair(image, sparse_depth, depth, tolerance)
        _check(golden, minimum, maximum)
    except Exception as error:  # of zipfile, zlib, or whatever damaged bytes lead to
        raise BundleManifestError(
            f"{path} holds no golden pair ({error!r:.300}); export the bundle again"
        ) from error
    return golden


def _array(archive: ZipFile, name: str) -> NDArray[Any]:
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > LARGEST_ARRAY:  # zeros are packed a thousandfold
        raise ValueError(f"{name} has {member.file_size:,} bytes, allowed are {LARGEST_ARRAY:,}")
    return array_of_npy(archive.read(member))


def _check(golden: GoldenPair, minimum: int, maximum: int) -> None:
    """Refuse what the engines would not take, or what the self-check could not compare."""
    image, size = golden.image, golden.depth.shape
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image is {image.dtype} {list(image.shape)}, not uint8 [H, W, 3]")
    for values in (golden.sparse_depth, golden.depth):
        if values.dtype != np.float32 or values.shape != image.shape[:2]:
            raise ValueError(f"depth is {values.dtype} {list(values.shape)}, not as the image")
        if not (values >= 0).all() or np.isinf(values).any():
            raise ValueError("depth is negative or not finite")
    if min(size) < minimum or max(size) > maximum:
        raise ValueError(f"{list(size)} is no size from {minimum} to {maximum}")
    if not golden.depth.all() or not golden.sparse_depth.any():
        raise ValueError("depth is 0 where it has to be compared, or there are no points")
