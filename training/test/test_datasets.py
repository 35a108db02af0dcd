"""What lies in the data folder, and what is left out because it does not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from small_data import PHOTOS, write_data
from starrygazer_training import datasets


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def test_photographs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("mon/cam/001.jpg", "tue/cam/001.jpg", "tue/cam/001.png", "tue_cam/001.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    keys = [frame.key for frame in datasets.photographs(tmp_path)]
    assert len(set(keys)) == 4
    assert keys[0] == "photos/mon/cam/001.jpg"


def test_leaves_out_what_is_no_photograph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "photos" / "good.png", tmp_path / "photos" / "bad.jpg"
    good.parent.mkdir()
    bad.write_bytes(b"not a picture")
    with pytest.raises(FileNotFoundError, match="none of 1 photographs can be read"):
        datasets.photographs(tmp_path)
    cv2.imwrite(str(good), np.zeros((8, 8, 3), np.uint8))
    for _ in range(2):
        assert [frame.image_path for frame in datasets.photographs(tmp_path)] == [good]
    assert capsys.readouterr().out.count(f"{bad} cannot be read") == 2  # alone, then beside good


def test_finds_photographs_in_sub_folders(root: Path) -> None:
    assert len(datasets.photographs(root)) == PHOTOS


def test_reads_metres_of_every_data_set(root: Path) -> None:
    for name in (*datasets.TEACHER_DATASETS, datasets.NYU):
        frame = datasets.depth_frames(root, name)[0]
        depth = frame.depth()
        assert depth.shape == frame.image().shape[:2]
        assert depth.max() == pytest.approx(5.0, abs=0.03)


def test_leaves_out_the_data_sets_that_are_not_there(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = datasets.depth_sets(root, ["hololens", "nowhere", "elsewhere"])
    assert list(sets) == ["hololens"]
    assert capsys.readouterr().out == f"not in {root}, left out: elsewhere, nowhere\n"


def test_a_data_set_that_is_there_must_be_whole(tmp_path: Path) -> None:
    write_data(tmp_path)
    (tmp_path / "hololens" / "depth" / "001.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 images without depth, e\.g\. .*001\.png"):
        datasets.depth_sets(tmp_path, ["hololens"])
    for image in (tmp_path / "hololens" / "image").iterdir():
        image.unlink()
    with pytest.raises(FileNotFoundError, match="no images in"):
        datasets.depth_sets(tmp_path, ["hololens"])
