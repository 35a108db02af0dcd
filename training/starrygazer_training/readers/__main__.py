"""Say what a data set on the disk holds: ``python -m starrygazer_training.readers PATH``."""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from starrygazer_training.readers.layouts import READERS, open_dataset, parse_options
from starrygazer_training.readers.sample import Sample


def main(arguments: list[str] | None = None) -> int:
    """Open a data set, describe its first frame and, if asked, read every frame."""
    parser = argparse.ArgumentParser(
        prog="python -m starrygazer_training.readers",
        description="Open a depth-completion data set and say what is in it.",
    )
    parser.add_argument("path", help="folder, or nyu_depth_v2_labeled.mat")
    parser.add_argument("options", nargs="*", metavar="NAME=VALUE", help="such as split=val")
    parser.add_argument("--kind", default="auto", choices=["auto", *READERS])
    parser.add_argument("--all", action="store_true", help="read every frame, to find broken files")
    given = parser.parse_intermixed_args(arguments)
    try:
        dataset = open_dataset(given.path, given.kind, **parse_options(given.options))
        print(f"{dataset.name}: {len(dataset.keys)} frames")
        print(f"{dataset.keys[0]}: {describe(dataset.load(dataset.keys[0]))}")
        if given.all:
            for key in tqdm(dataset.keys, unit="frame"):
                dataset.load(key)
    except (ValueError, TypeError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def describe(sample: Sample) -> str:
    """Size, amount and range of depth, focal length: one line."""
    height, width = sample.image.shape[:2]
    sparse = "no sparse depth" if sample.sparse_depth is None else _range(sample.sparse_depth)
    focal = f", fx {sample.intrinsics.fx:.1f} px" if sample.intrinsics else ", no intrinsics"
    return f"{width}x{height}, sparse: {sparse}, depth: {_range(sample.depth)}{focal}"


def _range(depth: NDArray[np.float32]) -> str:
    known = depth[depth > 0]
    if known.size == 0:
        return "none"
    return f"{known.size} pixels from {known.min():.2f} to {known.max():.2f} m"


if __name__ == "__main__":
    sys.exit(main())
