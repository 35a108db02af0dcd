"""Every layout that the readers know can be scored by the benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from starrygazer_training.readers import READERS
from test_readers import BUILDERS, DRIVE, nyu_mat, write_uint16

from benchmarks.datasets import KINDS, open_dataset
from benchmarks.protocols import Case, cases
from benchmarks.scenes import SceneError

NYU = ("nyu-mat", "nyu-h5")


def cases_of(kind: str, root: Path, *options: str) -> list[Case]:
    return cases(None, [open_dataset([f"{kind}:{root}", *options])])


def split(case: Case) -> tuple[np.ndarray, np.ndarray]:
    return case.split(case.scenes.load(case.scenes.keys[0]), 0)


def test_the_kinds_are_those_of_the_readers() -> None:
    assert tuple(READERS) == KINDS


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(NYU)))
def test_the_sparse_depth_of_the_data_set_is_completed(kind: str, tmp_path: Path) -> None:
    for name in (kind, "auto"):
        (case,) = cases_of(name, BUILDERS[kind](tmp_path))
        assert case.name.endswith(", its own sparse depth")
        assert case.note.startswith(f"{kind} of {tmp_path}")
        assert not case.dense_truth  # one pixel is known
        sparse, truth = split(case)
        assert np.argwhere(sparse).tolist() == np.argwhere(truth).tolist() == [[1, 2]]
        assert sparse[1, 2] != truth[1, 2]


@pytest.mark.parametrize("kind", NYU)
def test_nyu_is_scored_with_500_and_50_points_of_the_centre_crop(kind: str, tmp_path: Path) -> None:
    both = cases_of(kind, BUILDERS[kind](tmp_path))
    assert [case.name for case in both] == ["nyu, 500 points", "nyu, 50 points"]
    for case, points in zip(both, (500, 50), strict=True):
        sparse, truth = split(case)
        assert truth.shape == (228, 304)
        assert np.count_nonzero(sparse) == points
        assert case.dense_truth
        assert "centre crop" in case.note


def test_options_reach_the_reader(tmp_path: Path) -> None:
    case, _ = cases_of("nyu-mat", nyu_mat(tmp_path), "split=test", "half_crop=false")
    assert case.name == "nyu-test, 500 points"
    assert case.frames == 2
    assert split(case)[1].shape == (480, 640)


def test_void_is_compared_where_its_protocol_does(tmp_path: Path) -> None:
    root = BUILDERS["void"](tmp_path)
    truth = root / "void_1500/data/stairs4/ground_truth/1.5.png"
    (case,) = cases_of("void", root, "split=test")
    assert case.name == "void1500-test, its own sparse depth"
    write_uint16(truth, round(5.5 * 256))
    with pytest.raises(SceneError, match=r"1\.5\.png: there is no true depth"):
        split(case)


def test_a_broken_frame_is_named(tmp_path: Path) -> None:
    root = BUILDERS["kitti-selection"](tmp_path)
    (case,) = cases_of("kitti-selection", root)
    name = f"{DRIVE}_groundtruth_depth_0000000005_image_02.png"
    next(root.rglob(name)).write_bytes(b"")
    with pytest.raises(SceneError, match=f"{name}: expected a readable image"):
        split(case)
