"""Look at random scenes: ``python -m starrygazer_training.scenes --output FILE.png``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from starrygazer_training import datasets
from starrygazer_training.scenes.contact_sheet import contact_sheet
from starrygazer_training.scenes.materials import drawn_photograph
from starrygazer_training.scenes.sampling import random_scene
from starrygazer_training.scenes.texturing import Image

PHOTOGRAPHS = 60  # enough for every texture of a sheet to be another one


def main(arguments: list[str] | None = None) -> int:
    """Render scenes and write them as one picture: images above inverse depth."""
    parser = argparse.ArgumentParser(
        prog="python -m starrygazer_training.scenes",
        description="Render random scenes and write one picture: images above inverse depth.",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.png")
    parser.add_argument("--count", type=int, default=24, help="scenes (default 24)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first (default 0)")
    parser.add_argument("--columns", type=int, default=6, help="scenes in a row (default 6)")
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with photos/ for textures and skies; without it they are drawn",
    )
    given = parser.parse_args(arguments)
    if given.count < 1 or given.columns < 1:
        parser.error("--count and --columns must be at least 1")
    try:
        photographs = _photographs(given.data)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    seeds = range(given.first, given.first + given.count)
    renders = [random_scene(np.random.default_rng(seed), photographs) for seed in seeds]
    sheet = contact_sheet(renders, [str(seed) for seed in seeds], min(given.columns, given.count))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(given.output), sheet[..., ::-1]):
        print(f"cannot write {given.output}", file=sys.stderr)
        return 1
    return 0


def _photographs(data: Path | None) -> list[Image]:
    if data is None:
        return [drawn_photograph(np.random.default_rng(seed)) for seed in range(PHOTOGRAPHS)]
    frames = datasets.photographs(data)
    return [frame.image() for frame in frames[:: max(1, len(frames) // PHOTOGRAPHS)]]


if __name__ == "__main__":
    sys.exit(main())
