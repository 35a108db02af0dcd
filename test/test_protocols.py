from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
pytest.importorskip("skimage", reason="the motorcycle comes from scikit-image")
from benchmarks.datasets import Dataset
from benchmarks.protocols import FAULTS, Case, cases, hold_out_points, selected
from benchmarks.scenes import DEFAULT_DATA, Scene, SceneSet, local_sets

ANYWHERE = Path("no such folder")
IMAGE, DEPTH = np.zeros((4, 6, 3), np.uint8), np.ones((4, 6), np.float32)


def case_of(every: list[Case], name: str) -> Case:
    return next(case for case in every if case.name == name)


def split(case: Case, index: int = 0) -> tuple[Scene, np.ndarray, np.ndarray]:
    scene = case.scenes.load(case.scenes.keys[index])
    return scene, *case.split(scene, index)


@pytest.fixture(scope="module")
def local() -> list[Case]:
    """Cases of the local data sets."""
    if not local_sets(DEFAULT_DATA):
        pytest.skip("no local data sets here")
    return cases(DEFAULT_DATA)


def test_without_local_data_there_is_the_motorcycle_with_every_fault() -> None:
    names = [case.name for case in cases(ANYWHERE)]

    assert all(name.startswith("motorcycle") for name in names)
    assert {f"motorcycle, 16 lines, {fault}" for fault in FAULTS} < set(names)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_the_sparse_depth_and_not_the_truth(fault: str) -> None:
    every = cases(ANYWHERE)
    case = case_of(every, f"motorcycle, 16 lines, {fault}")
    assert case.clean == "motorcycle, 16 lines"

    _, clean, truth = split(case_of(every, case.clean))
    _, faulty, scored_on = split(case)

    assert not np.array_equal(clean, faulty)
    assert np.array_equal(truth, scored_on)


def test_draws_of_a_fault_differ_and_repeat() -> None:
    case = case_of(cases(ANYWHERE), "motorcycle, 16 lines, 5% outliers and 2 px")

    first, second = split(case, 0)[1], split(case, 1)[1]

    assert not np.array_equal(first, second)
    assert np.array_equal(first, split(case, 0)[1])


def test_data_sets_of_one_name_are_told_apart() -> None:
    scenes = SceneSet("motorcycle", ("a",), lambda _: Scene("a", IMAGE, DEPTH, sparse_depth=DEPTH))
    dataset = Dataset(scenes, has_sparse_depth=True, dense_truth=True, note="")

    names = [case.name for case in cases(None, [dataset, dataset])]
    assert names == [f"motorcycle{n}, its own sparse depth" for n in ("", " (2)")]
    names = [case.name for case in cases(ANYWHERE, [dataset, dataset])]
    assert len(set(names)) == len(names)
    assert {"motorcycle (2)", "motorcycle (3)"} < {name.split(",")[0] for name in names}


def test_every_point_is_held_out_in_one_fold() -> None:
    depth = np.zeros((20, 30), np.float32)
    depth[::3, ::4] = np.random.default_rng(0).uniform(1, 5, (7, 8))

    folds = [hold_out_points(depth, fold, 5) for fold in range(5)]

    assert np.array_equal(sum(truth for _, truth in folds), depth)
    for given, truth in folds:
        assert np.array_equal(given + truth, depth)
        assert np.count_nonzero(truth) in (11, 12)


def test_selecting_by_word_takes_the_clean_case_along() -> None:
    runs = selected(cases(ANYWHERE), ["outliers and"], quick=False, limit=None)

    assert [case.name for case, _ in runs] == [
        "motorcycle, 16 lines",
        "motorcycle, 16 lines, 5% outliers and 2 px",
    ]


def test_frames_of_a_limited_run_are_spread_over_the_set(local: list[Case]) -> None:
    runs = selected(local, ["nyu_train, 500 points"], quick=False, limit=3)

    assert runs[0][1] == (0, 50, 99)


def test_the_quick_subset_is_small_and_has_every_kind(local: list[Case]) -> None:
    runs = selected(local, None, quick=True, limit=None)

    assert sum(len(indices) for _, indices in runs) < 100
    assert all(len(indices) <= case.frames for case, indices in runs)
    names = " ".join(case.name for case, _ in runs)
    for kind in ("motorcycle", "nyu_train", "kitti_rebuilt", "kitti_object", "outliers"):
        assert kind in names


@pytest.mark.parametrize("options", [(True, None), (False, 7), (True, 3)])
def test_a_fault_and_its_clean_case_have_the_same_frames(
    local: list[Case], options: tuple[bool, int | None]
) -> None:
    quick, limit = options
    runs = {case.name: (case, i) for case, i in selected(local, ["nyu_train, 500"], quick, limit)}

    faulty = [(case, indices) for case, indices in runs.values() if case.clean]
    assert len(faulty) == (2 if quick else len(FAULTS))
    assert all(indices == runs[case.clean][1] for case, indices in faulty)


def test_names_of_cases_are_unique(local: list[Case]) -> None:
    names = [case.name for case in local]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("n", [5, 50, 200, 500, 2000, 5000])
def test_nyu_is_the_centre_crop_at_half_size_with_that_many_points(
    local: list[Case], n: int
) -> None:
    scene, sparse, truth = split(case_of(local, f"nyu_train, {n} points"), 7)

    assert scene.image.shape == (228, 304, 3)
    assert truth.shape == sparse.shape == (228, 304)
    assert np.count_nonzero(sparse) == n


def test_frames_of_a_set_have_points_at_different_places(local: list[Case]) -> None:
    case = case_of(local, "nyu_train, 500 points")

    assert not np.array_equal(split(case, 0)[1] > 0, split(case, 1)[1] > 0)


def test_kitti_is_thinned_by_whole_lines_and_scored_on_the_denser_truth(local: list[Case]) -> None:
    points = {}
    for lines in (64, 16, 8):
        scene, sparse, truth = split(case_of(local, f"kitti_rebuilt_gt_0009, {lines} lines"))
        assert scene.image.shape[1] > 1200  # full size
        assert np.array_equal(truth, scene.depth)
        points[lines] = np.count_nonzero(sparse)
        assert np.count_nonzero(truth) > 2.5 * points[64]
    assert points[64] == np.count_nonzero(scene.sparse_depth)
    assert points[16] == pytest.approx(points[64] / 4, rel=0.1)
    assert points[8] == pytest.approx(points[64] / 8, rel=0.15)


def test_kitti_held_out_lines_are_not_given(local: list[Case]) -> None:
    scene, sparse, truth = split(case_of(local, "kitti_object_frames, every 4th line"))

    assert not ((sparse > 0) & (truth > 0)).any()
    assert np.array_equal(sparse + truth, scene.depth)


def test_slam_points_are_scored_where_they_are_left_out(local: list[Case]) -> None:
    case = case_of(local, "rpng_visslam_azurekinect, 4 of 5 SLAM points")
    left_out = sum(split(case, index)[2] for index in range(5))

    scene, sparse, truth = split(case, 3)

    assert not ((sparse > 0) & (truth > 0)).any()
    assert np.array_equal(left_out, scene.depth)
    assert 80 <= np.count_nonzero(scene.depth) <= 170
    assert "no truth" in case.note
