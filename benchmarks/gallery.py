"""Pictures to look at: image, sparse depth, ours beside the best baseline, errors, point clouds."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks import metrics
from benchmarks.evaluation import LEARNT, OURS, Method, complete
from benchmarks.panels import Completed, Frame, strip
from benchmarks.protocols import Case, cases
from benchmarks.scenes import DEFAULT_DATA
from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.completion.errors import CompletionError
from starrygazer_ros.files import write_image

REPOSITORY = Path(__file__).resolve().parents[1]
IGNORED_FOLDER = REPOSITORY / "build" / "gallery"
PUBLISHED_FOLDER = REPOSITORY / "docs" / "gallery"

# Data set whose photographs may be given to others; the local data sets may not.
REDISTRIBUTABLE = "motorcycle"

SCENES: dict[str, int] = {
    "motorcycle, 16 lines": 0,
    "motorcycle, 500 points": 0,
    "motorcycle, 16 lines, 5% outliers and 2 px": 0,
    "nyu_train, 500 points": 12,
    "nyu_train, 50 points": 60,
    "nyu_train, 500 corners": 88,
    "kitti_rebuilt_gt_0009, 64 lines": 2,
    "kitti_object_frames, every 4th line": 5,
    "seven_scenes_redkitchen, 16 lines": 20,
    "hololens, 500 points": 30,
    "mosd_kinect, 500 points": 10,
    "rpng_visslam_azurekinect, 4 of 5 SLAM points": 10,
}
"""Case and number of the frame, spread over the data before anyone looked at a result."""


def main(arguments: list[str] | None = None) -> int:
    """Write one picture per scene; 1 if a scene's data are missing, 2 if the bundle is no good."""
    options = _parser().parse_args(arguments)
    try:
        completer = DepthCompleter.from_bundle(options.bundle, threads=options.threads)
    except CompletionError as error:
        print(f"gallery: {error}", file=sys.stderr)
        return 2
    folder = options.output or (PUBLISHED_FOLDER if options.redistributable else IGNORED_FOLDER)
    wanted = {
        name: index
        for name, index in SCENES.items()
        if not options.redistributable or name.split(",")[0] == REDISTRIBUTABLE
    }
    found = {case.name: case for case in cases(options.data) if case.name in wanted}
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, index) in enumerate(tqdm(wanted.items(), leave=False, disable=None), 1):
        if name not in found:
            continue
        suffix = ".jpg" if options.redistributable else ".png"  # a repository stays small
        path = folder / f"{number:02}_{re.sub(r'[^a-z0-9]+', '_', name.lower())}{suffix}"
        write_image(path, strip(frame(found[name], index, completer)))
        print(path)
    missing = [name for name in wanted if name not in found]
    if missing:
        print(f"gallery: no data in {options.data} for: {'; '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def frame(case: Case, index: int, completer: DepthCompleter) -> Frame:
    """Complete one frame of a case by all methods and keep ours and the best baseline.

    The best baseline is the one of smallest RMSE on this frame.

    Raises:
        CompletionError: the bundle cannot complete the frame.
    """
    scene = case.scenes.load(case.scenes.keys[index])
    sparse, truth = case.split(scene, index)
    label = completer.bundle.name
    completions = complete(scene.image, sparse, {label: completer})
    ours = completions[Method(OURS, label)]
    known = np.isfinite(ours.depth)
    results = {}
    for method, made in completions.items():
        if method.name == OURS or method.name not in LEARNT:
            errors = metrics.compare(made.depth, truth, known)
            results[method.name] = Completed(method.name, made.depth, errors.rmse, errors.mae)
    return Frame(
        title=case.name,
        image=scene.image,
        sparse_depth=sparse,
        truth=truth,
        intrinsics=scene.camera,
        ours=results.pop(OURS),
        baseline=min(results.values(), key=lambda completed: completed.rmse),
        confidence=ours.confidence if ours.confidence is not None else np.zeros_like(truth),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gallery", description=__doc__)
    parser.add_argument("--bundle", default="default", help="name or folder (default: default)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="local data folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="default: build/gallery, which git ignores, or docs/gallery with --redistributable",
    )
    parser.add_argument(
        "--redistributable",
        action="store_true",
        help="only scenes from packages, whose pictures may be published",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
