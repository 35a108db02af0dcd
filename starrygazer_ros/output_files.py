"""The files that ``starrygazer complete`` writes: the ending of a name says what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.completion.flying_pixels import flying_pixels
from starrygazer_ros.files import (
    FileError,
    write_confidence_png,
    write_depth_png,
    write_image,
    write_npy,
    write_point_cloud,
)
from starrygazer_ros.visualization import DepthRange, colour_depth, with_depth_scale

CONFIDENCE_ENDINGS = (".confidence.png", ".confidence.npy")
PICTURE_ENDINGS = (".preview.png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Completed:
    """What can be written.

    Attributes:
        depth: float32 [H, W] metres, NaN = unknown.
        confidence: float32 [H, W] in 0..1.
        image: uint8 [H, W, 3] RGB.
        intrinsics: of all three; only needed for a point cloud.
        depth_scale: steps per metre of a 16-bit PNG.
        edge_ratio: of :func:`~starrygazer_ros.completion.flying_pixels.flying_pixels`, whose points
            are left out of a cloud; ``None``: of none.
    """

    depth: NDArray[np.float32]
    confidence: NDArray[np.float32]
    image: NDArray[np.uint8]
    intrinsics: Intrinsics | None
    depth_scale: float
    edge_ratio: float | None = None


def is_depth_png(path: Path) -> bool:
    """The name is that of a 16-bit PNG with depth."""
    special = (*PICTURE_ENDINGS, *CONFIDENCE_ENDINGS)
    return path.suffix.lower() == ".png" and not path.name.lower().endswith(special)


def check_output(path: Path, inputs: Sequence[Path], has_camera: bool) -> None:
    """Refuse what could not be written before the work is done.

    Args:
        path: where to write.
        inputs: files that must not be overwritten.
        has_camera: the intrinsics are known.

    Raises:
        FileError: with what to do.
    """
    name, ending = path.name.lower(), path.suffix.lower()
    if path.resolve() in [file.resolve() for file in inputs]:
        raise FileError(f"{path} is an input and would be overwritten: choose another name")
    if ending not in (".npy", ".png", ".ply") and not name.endswith(PICTURE_ENDINGS):
        raise FileError(
            f"{path}: the ending must be .png, .npy, .preview.png, .jpg, .ply, .confidence.png or "
            ".confidence.npy (see starrygazer complete --help)"
        )
    if path.stem.lower().endswith(".confidence") and not name.endswith(CONFIDENCE_ENDINGS):
        raise FileError(f"{path}: the confidence is written as .confidence.png or .confidence.npy")
    if ending == ".ply" and not has_camera:
        raise FileError(f"{path}: a point cloud needs the camera: add --intrinsics FX FY CX CY")
    if not path.parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.parent}")


def write_output(path: Path, completed: Completed) -> int:
    """Write what the name's ending says.

    Args:
        path: passed :func:`check_output`.
        completed: content.

    Returns:
        How many pixels were too far for a 16-bit PNG.

    Raises:
        FileError: the file cannot be written.
    """
    name, ending, depth = path.name.lower(), path.suffix.lower(), completed.depth
    if name.endswith(".confidence.npy"):
        write_npy(path, completed.confidence)
    elif name.endswith(".confidence.png"):
        write_confidence_png(path, completed.confidence)
    elif name.endswith(PICTURE_ENDINGS):
        span = DepthRange.of(depth)
        write_image(path, with_depth_scale(colour_depth(depth, span), span))
    elif ending == ".npy":
        write_npy(path, depth)
    elif ending == ".ply":
        assert completed.intrinsics is not None  # check_output
        if completed.edge_ratio is not None:
            flying = flying_pixels(depth, completed.edge_ratio)
            depth = np.where(flying, np.float32(np.nan), depth)
        write_point_cloud(path, depth, completed.image, completed.intrinsics)
    else:
        return write_depth_png(path, depth, completed.depth_scale)
    return 0
