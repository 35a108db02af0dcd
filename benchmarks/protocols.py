"""What is evaluated: which scenes, what of their depth a method is given and what scores it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import Dataset
from benchmarks.kitti_lines import hold_out_lines, line_indices
from benchmarks.sampling import (
    corner_points,
    misregistered,
    outliers,
    random_points,
    range_limited,
    range_noise,
    without_sector,
)
from benchmarks.scenes import Scene, SceneError, SceneSet, local_sets, motorcycle
from starrygazer_ros.demo.scan_lines import scan_lines

FOLDS = 5
FAULT_DRAWS = 4  # of a fault on the one scene that there is once
_QUICK_NYU_FRAMES = 12  # the same for the clean case and the faults, or their ratio means nothing
_QUICK_DATASET_FRAMES = 8
_DRAWN_POINTS = (500, 50)  # of a data set without sparse depth
_QUICK_FAULTS = ("5% outliers and 2 px", "missing sector")

Depth = NDArray[np.float32]
Split = Callable[[Scene, int], tuple[Depth, Depth]]
Fault = Callable[[Depth, int], Depth]

FAULTS: dict[str, Fault] = {
    "5% outliers": lambda sparse, seed: outliers(sparse, 0.05, seed),
    "2 px misregistration": lambda sparse, seed: misregistered(sparse, 2, seed),
    "5% outliers and 2 px": lambda sparse, seed: outliers(
        misregistered(sparse, 2, seed), 0.05, seed
    ),
    "2% range noise": lambda sparse, seed: range_noise(sparse, 0.02, seed),
    "missing sector": lambda sparse, seed: without_sector(sparse, 1 / 3, seed),
    "range-limited": lambda sparse, _: range_limited(sparse, 0.3),
}

_REBUILT_NOTE = (
    "truth rebuilt from 11 scans without motion compensation, not KITTI's own: it differs from "
    "the given LiDAR by an RMSE of 1.4 to 2.7 m"
)
_HELD_OUT_NOTE = "truth: the scan lines that were not given, with what a LiDAR sees through edges"
_SLAM_NOTE = (
    "no truth: every landmark is held out in one of 5 folds and predicted from the others; "
    "the landmarks have errors of their own"
)


@dataclass(frozen=True)
class Case:
    """One row of the tables.

    Attributes:
        name: data set and sparsity.
        scenes: that are scored.
        split: (sparse input, truth) of a scene, both float32 [H, W] metres, 0 = none; the second
            argument is a seed, the scene's number in the set.
        dense_truth: the truth has no holes but small ones, so that depth edges can be found in it.
        clean: name of the same case without a fault, for cases with one.
        note: what a reader must know about the truth.
        quick_frames: how many frames ``--quick`` scores, 0 = leaves the case out.
    """

    name: str
    scenes: SceneSet
    split: Split
    dense_truth: bool = True
    clean: str | None = None
    note: str = ""
    quick_frames: int = 0

    @property
    def frames(self) -> int:
        """How many there are."""
        return len(self.scenes.keys)


def cases(data: Path | None, datasets: Sequence[Dataset] = ()) -> list[Case]:
    """All cases whose data are at hand.

    Args:
        data: folder with local data sets; without it there is the motorcycle. None = neither.
        datasets: others, of the user.
    """
    found = [] if data is None else _development_cases(data)
    taken = {case.scenes.name for case in found}
    for dataset in datasets:
        name = dataset.scenes.name
        for number in range(2, len(taken) + 3):
            if name not in taken:
                break
            name = f"{dataset.scenes.name} ({number})"
        taken.add(name)
        found += _dataset_cases(replace(dataset, scenes=replace(dataset.scenes, name=name)))
    return found


def _development_cases(data: Path) -> list[Case]:
    sets = local_sets(data)
    makers: dict[str, Callable[[SceneSet], Iterator[Case]]] = {
        "nyu_train": _nyu_cases,
        "kitti_rebuilt_gt_0009": _rebuilt_cases,
        "kitti_object_frames": _held_out_cases,
        "seven_scenes_redkitchen": _red_kitchen_cases,
        "hololens": _points_case,
        "mosd_kinect": _points_case,
        "rpng_visslam_azurekinect": _slam_cases,
    }
    found = list(_motorcycle_cases())
    for name, make in makers.items():
        if name in sets:
            found += make(sets[name])
    return found


def _dataset_cases(dataset: Dataset) -> Iterator[Case]:
    """The sparse depth that the data set brings; where it brings none, points of the truth."""
    splits: dict[str, Split] = {f"{n} points": _with_points(n) for n in _DRAWN_POINTS}
    if dataset.has_sparse_depth:
        splits = {"its own sparse depth": lambda scene, _: (_own_sparse_depth(scene), scene.depth)}
    for sparsity, split in splits.items():
        yield Case(
            f"{dataset.scenes.name}, {sparsity}",
            dataset.scenes,
            split,
            dense_truth=dataset.dense_truth,
            note=dataset.note,
            quick_frames=_QUICK_DATASET_FRAMES,
        )


def selected(
    every: list[Case], words: list[str] | None, quick: bool, limit: int | None
) -> list[tuple[Case, tuple[int, ...]]]:
    """The cases to run and the frames of each, spread evenly.

    Args:
        every: from :func:`cases`.
        words: take the cases with one of them in the name, and the clean case of a fault.
        quick: the subset that is made for it.
        limit: most frames per case.
    """
    chosen = {
        case.name: case
        for case in every
        if (not quick or case.quick_frames) and (not words or any(w in case.name for w in words))
    }
    needed = chosen.keys() | {case.clean for case in chosen.values() if case.clean}
    runs = []
    for case in every:
        if case.name in needed:
            limits = [limit, (case.quick_frames or 1) if quick else None]
            frames = min([case.frames, *(n for n in limits if n is not None)])
            indices = np.linspace(0, case.frames - 1, frames).round().astype(int)
            runs.append((case, tuple(int(i) for i in indices)))
    return runs


def _motorcycle_cases() -> Iterator[Case]:
    single = SceneSet("motorcycle", ("motorcycle",), lambda _: motorcycle())
    draws = SceneSet(
        "motorcycle", tuple(f"draw {i}" for i in range(FAULT_DRAWS)), lambda _: motorcycle()
    )
    for lines in (4, 8, 16, 32, 64):
        yield Case(f"motorcycle, {lines} lines", single, _with_lines(lines), quick_frames=1)
    yield Case("motorcycle, 500 points", single, _with_points(500), quick_frames=1)
    for case in _faulty(Case("motorcycle, 16 lines", draws, _with_lines(16))):
        yield replace(case, quick_frames=FAULT_DRAWS if _is_quick(case) else 0)


def _nyu_cases(scenes: SceneSet) -> Iterator[Case]:
    quick_frames = {5: 8, 50: 8, 500: _QUICK_NYU_FRAMES}
    for n in (5, 50, 200, 500, 2000, 5000):
        name = f"{scenes.name}, {n} points"
        yield Case(name, scenes, _with_points(n), quick_frames=quick_frames.get(n, 0))
    yield Case(f"{scenes.name}, 500 corners", scenes, _with_corners(500))
    for case in _faulty(Case(f"{scenes.name}, 500 points", scenes, _with_points(500))):
        yield replace(case, quick_frames=_QUICK_NYU_FRAMES if _is_quick(case) else 0)


def _rebuilt_cases(scenes: SceneSet) -> Iterator[Case]:
    for lines, keep_every in ((64, 1), (16, 4), (8, 8)):
        yield Case(
            f"{scenes.name}, {lines} lines",
            scenes,
            _with_thinned_lidar(keep_every),
            dense_truth=False,
            note=_REBUILT_NOTE,
            quick_frames=3 if lines > 8 else 0,
        )


def _held_out_cases(scenes: SceneSet) -> Iterator[Case]:
    for keep_every, name in ((2, "2nd"), (4, "4th"), (8, "8th")):
        yield Case(
            f"{scenes.name}, every {name} line",
            scenes,
            _with_held_out_lines(keep_every),
            dense_truth=False,
            note=_HELD_OUT_NOTE,
            quick_frames=4 if keep_every == 4 else 0,
        )


def _red_kitchen_cases(scenes: SceneSet) -> Iterator[Case]:
    yield from _points_case(scenes)
    yield Case(f"{scenes.name}, 16 lines", scenes, _with_lines(16))


def _points_case(scenes: SceneSet) -> Iterator[Case]:
    yield Case(f"{scenes.name}, 500 points", scenes, _with_points(500), quick_frames=4)


def _slam_cases(scenes: SceneSet) -> Iterator[Case]:
    """Each frame once per fold; the seed, which counts the keys, then tells the fold."""
    folds = SceneSet(
        scenes.name,
        tuple(f"{key} fold {fold}" for key in scenes.keys for fold in range(FOLDS)),
        lambda key: scenes.load(key.split(" fold ")[0]),
    )
    yield Case(
        f"{scenes.name}, 4 of 5 SLAM points",
        folds,
        lambda scene, seed: hold_out_points(scene.depth, fold=seed % FOLDS, folds=FOLDS),
        dense_truth=False,
        note=_SLAM_NOTE,
        quick_frames=2 * FOLDS,
    )


def hold_out_points(depth: Depth, fold: int, folds: int) -> tuple[Depth, Depth]:
    """Split known pixels at random into the given ones and one of ``folds`` equal parts.

    The folds of one map are disjoint and together have all its points.
    """
    points = np.flatnonzero(depth > 0)
    held_out = np.random.default_rng(0).permutation(points)[fold::folds]
    given, truth = depth.copy(), np.zeros_like(depth)
    given.flat[held_out] = 0
    truth.flat[held_out] = depth.flat[held_out]
    return given, truth


def _faulty(clean: Case) -> Iterator[Case]:
    for name, fault in FAULTS.items():
        yield replace(
            clean,
            name=f"{clean.name}, {name}",
            split=_with_fault(clean.split, fault),
            clean=clean.name,
        )


def _is_quick(case: Case) -> bool:
    return case.name.endswith(_QUICK_FAULTS)


def _with_fault(split: Split, fault: Fault) -> Split:
    def faulty(scene: Scene, seed: int) -> tuple[Depth, Depth]:
        sparse, truth = split(scene, seed)
        return fault(sparse, seed), truth

    return faulty


def _with_lines(lines: int) -> Split:
    return lambda scene, _: (scan_lines(scene.depth, lines, scene.camera), scene.depth)


def _with_points(n: int) -> Split:
    return lambda scene, seed: (random_points(scene.depth, n, seed), scene.depth)


def _with_corners(n: int) -> Split:
    return lambda scene, _: (corner_points(scene.image, scene.depth, n), scene.depth)


def _with_thinned_lidar(keep_every: int) -> Split:
    def split(scene: Scene, _: int) -> tuple[Depth, Depth]:
        lidar = _own_sparse_depth(scene)
        return hold_out_lines(lidar, _lines(scene, lidar), keep_every)[0], scene.depth

    return split


def _own_sparse_depth(scene: Scene) -> Depth:
    if scene.sparse_depth is None:
        raise SceneError(f"scene {scene.name} has no sparse depth beside the truth")
    return scene.sparse_depth


def _with_held_out_lines(keep_every: int) -> Split:
    return lambda scene, _: hold_out_lines(scene.depth, _lines(scene, scene.depth), keep_every)


def _lines(scene: Scene, lidar: Depth) -> NDArray[np.int64]:
    return line_indices(lidar, scene.calibration["P2"], scene.calibration["rect_from_lidar"])
