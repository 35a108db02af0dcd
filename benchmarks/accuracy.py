"""Accuracy of a model bundle beside the baselines, on every scene that is at hand."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import baselines, metrics
from benchmarks.kitti_lines import hold_out_lines, line_indices
from benchmarks.metrics import Metrics
from benchmarks.sampling import random_points, scan_lines
from benchmarks.scenes import DEFAULT_DATA, Scene, SceneSet, local_sets, motorcycle
from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.completion.errors import CompletionError

SEED = 0
OURS, BARYCENTRIC = "ours", "barycentric"

Depth = NDArray[np.float32]
Split = Callable[[Scene], tuple[Depth, Depth]]


@dataclass(frozen=True)
class Case:
    """One row of the table: scenes, and how to make (sparse input, truth) of a scene."""

    name: str
    scenes: SceneSet
    split: Split


@dataclass(frozen=True)
class Outcome:
    """Mean errors of a case.

    Attributes:
        case: its name.
        frames: how many were scored.
        wins: share of the frames where ours has a smaller RMSE than barycentric interpolation.
        coverage: share of the true pixels where ours is not NaN; only those are scored.
        methods: errors by method.
    """

    case: str
    frames: int
    wins: float
    coverage: float
    methods: dict[str, Metrics]


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 2 if the bundle cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        completer = DepthCompleter.from_bundle(options.bundle, threads=options.threads)
    except CompletionError as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 2
    bundle = completer.bundle
    print(f"bundle {bundle.name} {bundle.version}, {completer.backend_description}")
    outcomes = []
    for case in _cases(options.data):
        if options.only and not any(word in case.name for word in options.only):
            continue
        outcome = _evaluate(case, completer, options.limit)
        print(_table(outcome), flush=True)
        outcomes.append(outcome)
    if options.json:
        report = {"bundle": bundle.name, "version": bundle.version, "seed": SEED}
        report["cases"] = [asdict(outcome) for outcome in outcomes]
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--bundle", default="default", help="name or folder (default: default)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="local data folder")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose name has a word")
    parser.add_argument("--limit", type=int, help="frames per case, spread evenly")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    return parser


def _cases(data: Path) -> Iterator[Case]:
    single = SceneSet("motorcycle", ("motorcycle",), lambda _: motorcycle())
    for lines in (4, 8, 16, 32, 64):
        yield Case(f"motorcycle, {lines} lines", single, _with_lines(lines))
    yield Case("motorcycle, 500 points", single, _with_points(500))

    sets = local_sets(data)
    if not sets:
        print(f"only the motorcycle: no data folder {data} (another one: --data)")
        return
    splits: dict[str, dict[str, Split]] = {
        "nyu_train": {"500 points": _with_points(500)},
        "kitti_object_frames": {
            "every 2nd line": _with_held_out_lines(2),
            "every 4th line": _with_held_out_lines(4),
            "every 8th line": _with_held_out_lines(8),
        },
        "seven_scenes_redkitchen": {
            "500 points": _with_points(500),
            "16 lines": _with_lines(16),
        },
        "hololens": {"500 points": _with_points(500)},
        "mosd_kinect": {"500 points": _with_points(500)},
    }
    for name, by_sampling in splits.items():
        if name not in sets:
            print(f"{name}: skipped, not in {data}")
            continue
        for sampling, split in by_sampling.items():
            yield Case(f"{name}, {sampling}", sets[name], split)


def _with_lines(lines: int) -> Split:
    return lambda scene: (scan_lines(scene.depth, lines, scene.intrinsics), scene.depth)


def _with_points(n: int) -> Split:
    return lambda scene: (random_points(scene.depth, n, SEED), scene.depth)


def _with_held_out_lines(keep_every: int) -> Split:
    def split(scene: Scene) -> tuple[Depth, Depth]:
        lines = line_indices(
            scene.depth, scene.calibration["P2"], scene.calibration["rect_from_lidar"]
        )
        return hold_out_lines(scene.depth, lines, keep_every)

    return split


def _evaluate(case: Case, completer: DepthCompleter, limit: int | None) -> Outcome:
    keys = case.scenes.keys
    if limit is not None and limit < len(keys):
        keys = tuple(keys[i] for i in np.linspace(0, len(keys) - 1, limit).round().astype(int))
    frames: list[dict[str, Metrics]] = []
    coverages = []
    for key in tqdm(keys, desc=case.name, leave=False, disable=None):
        scene = case.scenes.load(key)
        sparse, truth = case.split(scene)
        result = completer.complete(scene.image, sparse)
        grey = completer.complete(np.full_like(scene.image, 128), sparse)
        dense = {
            OURS: result.depth,
            "grey image": grey.depth,  # what is left when the image says nothing
            BARYCENTRIC: baselines.barycentric(sparse),
            "affine": baselines.affine_fit(result.relative_depth, sparse),
            "affine+residual": baselines.affine_barycentric_residual(result.relative_depth, sparse),
            "ip_basic": baselines.ip_basic(sparse),
        }
        known = np.isfinite(result.depth) & np.isfinite(grey.depth)
        frames.append({m: metrics.compare(depth, truth, known) for m, depth in dense.items()})
        coverages.append(float(known[truth > 0].mean()))
    wins = [frame[OURS].rmse < frame[BARYCENTRIC].rmse for frame in frames]
    return Outcome(
        case=case.name,
        frames=len(frames),
        wins=float(np.mean(wins)),
        coverage=float(np.mean(coverages)),
        methods={m: metrics.mean(frame[m] for frame in frames) for m in frames[0]},
    )


def _table(outcome: Outcome) -> str:
    lines = [
        f"\n{outcome.case}: {outcome.frames} frames, ours beats barycentric in "
        f"{outcome.wins:.0%}, coverage {outcome.coverage:.1%}",
        f"  {'':<16}{'RMSE m':>9}{'MAE m':>9}{'median m':>10}{'AbsRel':>9}{'iRMSE 1/km':>12}",
    ]
    for method, errors in outcome.methods.items():
        lines.append(
            f"  {method:<16}{errors.rmse:>9.4f}{errors.mae:>9.4f}{errors.median:>10.4f}"
            f"{errors.absrel:>9.4f}{errors.irmse:>12.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
