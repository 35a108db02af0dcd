"""Pictures of docs/tuning.md: what calibration, sparse depth and the cloud's filters change."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import DepthCompleter, Intrinsics, back_project
from starrygazer_ros.completion.flying_pixels import flying_pixels
from starrygazer_ros.demo.photographs import Photograph, motorcycle
from starrygazer_ros.demo.scan_lines import scan_lines
from starrygazer_ros.files import write_image
from starrygazer_ros.visualization import (
    DepthRange,
    captioned,
    colour_depth,
    enlarge_points,
    render_points,
)

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
LINES = 16
SHIFT = 16  # pixels, as of a yaw that is one degree wrong
CONFIDENCES = (0.0, 0.3, 0.5)
EDGE_RATIOS = (0.0, 0.02)
ROWS, COLUMNS = slice(20, 500), slice(40, 680)
SCALE = 0.55  # of what is written: three panels beside each other in a page

Picture = NDArray[np.uint8]


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tuning_pictures", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--output", type=Path, default=FOLDER, metavar="FOLDER")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    completer = DepthCompleter.from_bundle("default")
    for name, panels in _pictures(completer, motorcycle()):
        path = options.output / f"tuning_{name}.jpg"
        picture = np.hstack(panels)
        small = cv2.resize(picture, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA)
        write_image(path, small.astype(np.uint8))
        print(path)
    return 0


def _pictures(
    completer: DepthCompleter, photograph: Photograph
) -> Iterator[tuple[str, list[Picture]]]:
    """Name and panels of each picture."""
    camera = photograph.intrinsics
    image, true_depth = photograph.image, photograph.depth
    span = DepthRange.of(true_depth)

    def depth_panel(depth: NDArray[np.float32], caption: str) -> Picture:
        return captioned(_cut(colour_depth(depth, span)), caption)

    def lines(count: int) -> NDArray[np.float32]:
        return scan_lines(true_depth, count, camera)

    yield (
        "lines",
        [
            depth_panel(completer.complete(image, lines(count)).depth, f"{count} lines")
            for count in (4, 16, 64)
        ],
    )
    aligned = lines(LINES)
    shifted = np.roll(aligned, SHIFT, axis=1)
    shifted[:, :SHIFT] = 0
    yield (
        "shift",
        [
            *(
                captioned(_cut(_overlay(image, sparse, span)), caption)
                for sparse, caption in (
                    (aligned, "points on the image"),
                    (shifted, f"the same, {SHIFT} pixels off"),
                )
            ),
            depth_panel(completer.complete(image, shifted).depth, "dense depth of the latter"),
        ],
    )
    result = completer.complete(image, aligned)
    yield (
        "confidence",
        [
            depth_panel(
                np.where(result.confidence >= least, result.depth, np.float32(np.nan)),
                f"points.min_confidence {least:g}",
            )
            for least in CONFIDENCES
        ],
    )
    yield (
        "edge_ratio",
        [
            captioned(_cut(_seen_from_aside(result.depth, image, camera, r)), f"edge_ratio {r:g}")
            for r in EDGE_RATIOS
        ],
    )


def _overlay(image: Picture, sparse_depth: NDArray[np.float32], span: DepthRange) -> Picture:
    points = enlarge_points(sparse_depth, 3)
    return np.where((points > 0)[..., None], colour_depth(points, span), image // 2)


def _seen_from_aside(
    depth: NDArray[np.float32], image: Picture, camera: Intrinsics, edge_ratio: float
) -> Picture:
    kept = np.isfinite(depth)
    if edge_ratio:
        kept &= ~flying_pixels(depth, edge_ratio)
    points = back_project(np.where(kept, depth, np.float32(np.nan)), camera)
    return render_points(
        points.reshape(-1, 3), image.reshape(-1, 3), camera, yaw_degrees=30, pitch_degrees=5
    )


def _cut(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[ROWS, COLUMNS])


if __name__ == "__main__":
    sys.exit(main())
