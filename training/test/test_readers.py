"""Readers of data sets: each layout is built small on the disk, then built wrong."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image
from starrygazer_training.readers import (
    READERS,
    DatasetLayoutError,
    DatasetOptionError,
    KittiDrives,
    NyuLabelled,
    Sample,
    VoidRelease,
    open_dataset,
    recognise,
)
from starrygazer_training.readers.__main__ import main

HEIGHT, WIDTH = 8, 12
DRIVE = "2011_09_26_drive_0002_sync"
KITTI_K = "721.5 0 596.5 0 721.5 149.9 0 0 1"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "datasets.md"


def write_rgb(path: Path, height: int = HEIGHT, width: int = WIDTH) -> None:
    """An image whose three channels differ: red 200, green 100, blue 50."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), (200, 100, 50), np.uint8)).save(path)


def write_uint16(path: Path, value: int, height: int = HEIGHT, width: int = WIDTH) -> None:
    """Depth with the value in row 1, column 2 and 0 elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.zeros((height, width), np.uint16)
    stored[1, 2] = value
    Image.fromarray(stored).save(path)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def check_maps(sample: Sample, sparse: float | None, depth: float) -> None:
    """One known pixel in each map, and the image's channels in RGB order."""
    assert sample.image.dtype == np.uint8
    assert sample.image.shape == (HEIGHT, WIDTH, 3)
    assert tuple(sample.image[0, 0]) == (200, 100, 50)
    for stored, expected in ((sample.sparse_depth, sparse), (sample.depth, depth)):
        if expected is None:
            assert stored is None
            continue
        assert stored is not None
        assert stored.dtype == np.float32
        known = np.zeros((HEIGHT, WIDTH), np.float32)
        known[1, 2] = expected
        np.testing.assert_array_equal(stored, known)


def focal_and_centre(sample: Sample) -> tuple[float, float, float, float]:
    camera = sample.intrinsics
    assert camera is not None
    assert (camera.width, camera.height) == sample.image.shape[1::-1]
    return camera.fx, camera.fy, camera.cx, camera.cy


# --- builders of correct layouts -----------------------------------------------------------------


def kitti_selection(root: Path) -> Path:
    selection = root / "depth_selection" / "val_selection_cropped"
    for frame in ("0000000005_image_02", "0000000008_image_03"):
        write_rgb(selection / "image" / f"{DRIVE}_image_{frame}.png")
        write_uint16(selection / "velodyne_raw" / f"{DRIVE}_velodyne_raw_{frame}.png", 2560)
        write_uint16(
            selection / "groundtruth_depth" / f"{DRIVE}_groundtruth_depth_{frame}.png", 5121
        )
        write_text(selection / "intrinsics" / f"{DRIVE}_image_{frame}.txt", KITTI_K + "\n")
    return root


def kitti(root: Path) -> Path:
    """Two drives with the photographs as KITTI raw lays them, beside ``train`` and ``val``."""
    for split, drive in (("train", "2011_09_26_drive_0001_sync"), ("val", DRIVE)):
        for camera in ("image_02", "image_03"):
            depth = root / split / drive / "proj_depth"
            write_uint16(depth / "velodyne_raw" / camera / "0000000005.png", 2560)
            write_uint16(depth / "groundtruth" / camera / "0000000005.png", 5121)
            for frame in ("0000000004", "0000000005"):  # the first five have no depth
                write_rgb(root / "2011_09_26" / drive / camera / "data" / f"{frame}.png")
    write_text(
        root / "2011_09_26" / "calib_cam_to_cam.txt",
        "calib_time: 09-Jan-2012 13:57:47\n"
        "P_rect_02: 721.5 0 609.5 44.8 0 722.5 172.8 0.2 0 0 1 0.002\n"
        "P_rect_03: 711.5 0 619.5 -339 0 712.5 182.8 2.1 0 0 1 0.002\n",
    )
    return root


def nyu_mat(root: Path, frames: int = 3) -> Path:
    """Frame n (from 1) is (10 n, 20, 30) with a mark in row 7, column 9, and n metres deep."""
    images = np.empty((frames, 3, 640, 480), np.uint8)
    depths = np.empty((frames, 640, 480), np.float32)
    for index in range(frames):
        images[index] = np.array([10 * (index + 1), 20, 30], np.uint8)[:, None, None]
        images[index, :, 9, 7] = 255
        depths[index] = index + 1
        depths[index, 9, 7] = 0.5
        depths[index, 0, 0] = np.nan
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        file.create_dataset("images", data=images, compression="gzip", chunks=(1, 3, 640, 480))
        file.create_dataset("depths", data=depths, compression="gzip", chunks=(1, 640, 480))
    scipy.io.savemat(
        root / "splits.mat", {"trainNdxs": np.array([[2]]), "testNdxs": np.array([[1], [3]])}
    )
    return root


def nyu_h5(root: Path) -> Path:
    rgb = np.broadcast_to(np.array([200, 100, 50], np.uint8)[:, None, None], (3, 480, 640)).copy()
    depth = np.full((480, 640), 2.5, np.float32)
    rgb[:, 7, 9], depth[7, 9] = 255, 0.5
    depth[20, 30:33] = np.nan, np.inf, -1
    for key in ("train/basement_0001a/00001", "val/official/00001"):
        path = root / f"{key}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("rgb", data=rgb, compression="gzip")
            file.create_dataset("depth", data=depth, compression="gzip")
    return root


def void(root: Path, density: int = 1500) -> Path:
    density_root = root / f"void_{density}"
    for sequence, stamps in (
        ("classroom0", ["1552098057.8059", "1552098058.8065"]),
        ("stairs4", ["1.5"]),
    ):
        folder = density_root / "data" / sequence
        for stamp in stamps:
            write_rgb(folder / "image" / f"{stamp}.png")
            write_uint16(folder / "sparse_depth" / f"{stamp}.png", 512)
            write_uint16(folder / "validity_map" / f"{stamp}.png", 256)
            write_uint16(folder / "ground_truth" / f"{stamp}.png", 777)
        write_text(folder / "K.txt", "514.6 0 315.3\n0 518.9 247.4\n0 0 1\n")
    line = f"void_{density}/data/{{}}/image/{{}}.png\n"
    write_text(
        density_root / "train_image.txt",
        line.format("classroom0", "1552098057.8059") + line.format("classroom0", "1552098058.8065"),
    )
    write_text(density_root / "test_image.txt", line.format("stairs4", "1.5"))
    return root


def folder(root: Path) -> Path:
    for stem in ("a", "b.5"):
        write_rgb(root / "image" / f"{stem}.png")
        write_uint16(root / "sparse" / f"{stem}.png", 1234)
        write_uint16(root / "depth" / f"{stem}.png", 4321)
    write_text(root / "intrinsics.txt", "600 601 6 4\n")
    return root


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "kitti-selection": kitti_selection,
    "kitti": kitti,
    "nyu-mat": nyu_mat,
    "nyu-h5": nyu_h5,
    "void": void,
    "folder": folder,
}


# --- every layout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BUILDERS)
def test_each_layout_is_recognised_as_itself_only(kind: str, tmp_path: Path) -> None:
    assert recognise(BUILDERS[kind](tmp_path)) == kind


def test_every_reader_has_a_builder_here() -> None:
    assert BUILDERS.keys() == READERS.keys()


@pytest.mark.parametrize("kind", BUILDERS)
def test_every_key_loads_and_the_data_set_can_go_to_a_worker_process(
    kind: str, tmp_path: Path
) -> None:
    dataset = pickle.loads(pickle.dumps(open_dataset(BUILDERS[kind](tmp_path))))
    assert len(dataset.keys) == len(set(dataset.keys)) >= 2
    for key in dataset.keys:
        sample = dataset.load(key)
        assert sample.depth.shape == sample.image.shape[:2]
        assert sample.intrinsics is not None
    with pytest.raises(KeyError):
        dataset.load("no such frame")


@pytest.mark.parametrize("kind", BUILDERS)
def test_an_empty_folder_is_refused_by_every_reader_with_what_to_do(
    kind: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetLayoutError) as caught:
        open_dataset(tmp_path, kind)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.expected
    assert caught.value.remedy.endswith(".")


def test_an_unknown_layout_names_the_known_ones_and_what_lies_there(tmp_path: Path) -> None:
    write_rgb(tmp_path / "pictures" / "a.png")
    with pytest.raises(DatasetLayoutError, match=r"void.*folder, found pictures/\."):
        open_dataset(tmp_path)
    with pytest.raises(DatasetLayoutError, match="found no such folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetLayoutError, match=r"a\.png: expected one of .*, found a file"):
        open_dataset(tmp_path / "pictures" / "a.png")


def test_two_layouts_in_one_folder_have_to_be_chosen_from(tmp_path: Path) -> None:
    kitti(kitti_selection(tmp_path))
    with pytest.raises(DatasetLayoutError, match="kitti-selection and kitti"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, "kitti").name == "kitti"
    assert open_dataset(tmp_path, "kitti-selection").name == "kitti-selection"


def test_unknown_kinds_and_options_name_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown kind kity: choose auto, kitti-selection"):
        open_dataset(tmp_path, "kity")
    with pytest.raises(DatasetOptionError, match="no option unit: they take units_per_metre"):
        open_dataset(folder(tmp_path), unit="mm")


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        ("folder", {"units_per_metre": "mm"}, "units_per_metre is 'mm', it must be a number"),
        ("folder", {"units_per_metre": True}, "it must be a number"),
        ("kitti", {"split": 1}, "split is 1, it must be a word"),
        ("kitti", {"cameras": 2}, "cameras is 2, it must be a name or a list of names"),
        ("kitti", {"drives": [1]}, "it must be a name or a list of names"),
        ("void", {"density": "all"}, "density is 'all', it must be a whole number"),
        ("nyu-mat", {"indices": 3}, "indices is 3, it must be a list of whole numbers"),
        ("nyu-h5", {"half_crop": "no"}, "half_crop is 'no', it must be true or false"),
    ],
)
def test_an_option_of_the_wrong_type_is_refused(
    kind: str, option: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetOptionError, match=message):
        open_dataset(tmp_path, kind, **option)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["units_per_metre={a: b"], "option units_per_metre={a: b: the value is no YAML"),
        (["path=1"], "path is given by itself, not as NAME=VALUE"),
        (["kind=void"], "kind is given by itself, not as NAME=VALUE"),
        (["split=val", "split=train"], "option split is given twice"),
    ],
)
def test_a_mistaken_option_of_the_command_gives_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder(tmp_path)), *options]) == 1
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1


def test_options_may_stand_before_and_behind_the_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    void(tmp_path)
    assert main([str(tmp_path), "--kind", "void", "split=train"]) == 0
    assert main([str(tmp_path), "split=train", "--kind", "void", "density=1500"]) == 0
    assert capsys.readouterr().out.count("void1500-train: 2 frames") == 2


def test_readers_do_not_need_torch() -> None:
    code = "import sys, starrygazer_training.readers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_layout_errors_survive_the_way_out_of_a_worker_process() -> None:
    error = DatasetLayoutError(Path("x"), expected="a", found="b", remedy="C.")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "x: expected a, found b. C."
    assert (copy.path, copy.remedy) == (Path("x"), "C.")


def test_a_depth_map_of_another_size_than_the_image_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(folder(tmp_path))
    write_uint16(tmp_path / "depth" / "a.png", 1, HEIGHT // 2, WIDTH // 2)
    with pytest.raises(
        DatasetLayoutError, match=r"a\.png: expected depth of the image's size 12x8, found 6x4"
    ):
        dataset.load("a")


def test_the_command_describes_a_data_set_and_finds_broken_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    void(tmp_path)
    assert main([str(tmp_path), "split=train", "density=1500", "--all"]) == 0
    printed = capsys.readouterr().out
    assert "void1500-train: 2 frames" in printed
    assert "12x8, sparse: 1 pixels from 2.00 to 2.00 m" in printed
    assert "fx 514.6" in printed
    cut_short(tmp_path / "void_1500/data/classroom0/ground_truth/1552098058.8065.png")
    assert main([str(tmp_path), "split=train"]) == 0
    assert main([str(tmp_path), "split=train", "--all"]) == 1
    assert "1552098058.8065.png: expected a readable image" in capsys.readouterr().err
    assert main([str(tmp_path), "train"]) == 1
    assert "options are NAME=VALUE, not train" in capsys.readouterr().err


def test_a_list_of_void_may_repeat_a_line(tmp_path: Path) -> None:
    lines = void(tmp_path) / "void_1500" / "train_image.txt"
    lines.write_text(2 * lines.read_text())
    assert len(open_dataset(tmp_path, split="train").keys) == 2


def test_a_file_that_is_not_there_is_not_called_damaged(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "other.mat"):
        with pytest.raises(DatasetLayoutError, match="found no such file") as caught:
            open_dataset(path, "nyu-mat")
        assert "damaged" not in str(caught.value)
        assert "nyu_depth_v2_labeled.mat" in caught.value.remedy


def test_the_documentation_names_every_kind_and_option() -> None:
    import inspect

    text = DOCS.read_text(encoding="utf-8")
    for kind, reader in READERS.items():
        assert f"`{kind}`" in text
        for option in list(inspect.signature(reader).parameters)[1:]:
            assert f"`{option}" in text, f"{kind}: {option}"


# --- KITTI, selected frames -----------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "depth_selection", "depth_selection/val_selection_cropped"])
def test_kitti_selection_gives_metres_and_intrinsics_from_any_of_its_folders(
    below: str, tmp_path: Path
) -> None:
    dataset = open_dataset(kitti_selection(tmp_path) / below)
    assert dataset.keys == (f"{DRIVE}_0000000005_image_02", f"{DRIVE}_0000000008_image_03")
    sample = dataset.load(dataset.keys[1])
    check_maps(sample, sparse=10.0, depth=5121 / 256)
    assert focal_and_centre(sample) == (721.5, 721.5, 596.5, 149.9)


def test_kitti_selection_without_intrinsics_has_none(tmp_path: Path) -> None:
    root = kitti_selection(tmp_path) / "depth_selection/val_selection_cropped"
    shutil.rmtree(root / "intrinsics")
    dataset = open_dataset(root)
    assert dataset.load(dataset.keys[0]).intrinsics is None


@pytest.mark.parametrize(
    ("folder_name", "kind", "suffix"),
    [
        ("image", "image", "png"),
        ("velodyne_raw", "velodyne_raw", "png"),
        ("groundtruth_depth", "groundtruth_depth", "png"),
        ("intrinsics", "image", "txt"),
    ],
)
def test_kitti_selection_needs_every_file_of_a_frame(
    folder_name: str, kind: str, suffix: str, tmp_path: Path
) -> None:
    root = kitti_selection(tmp_path) / "depth_selection/val_selection_cropped"
    (root / folder_name / f"{DRIVE}_{kind}_0000000005_image_02.{suffix}").unlink()
    with pytest.raises(
        DatasetLayoutError,
        match=rf"{folder_name}: expected a file for each of the \d frames in .*, found 1 without, "
        rf"the first being {DRIVE}_0000000005_image_02",
    ):
        open_dataset(root)


def test_kitti_selection_refuses_renamed_files(tmp_path: Path) -> None:
    root = kitti_selection(tmp_path) / "depth_selection/val_selection_cropped"
    image = root / "image" / f"{DRIVE}_image_0000000005_image_02.png"
    image.rename(image.with_name(f"{DRIVE}_photo_0000000005_image_02.png"))
    with pytest.raises(DatasetLayoutError, match=r"sync_image_.*found .*_photo_"):
        open_dataset(root)


def test_kitti_test_frames_without_ground_truth_are_not_taken_for_the_selection(
    tmp_path: Path,
) -> None:
    root = tmp_path / "depth_selection" / "test_depth_completion_anonymous"
    write_rgb(root / "image" / "0000000000.png")
    write_uint16(root / "velodyne_raw" / "0000000000.png", 2560)
    with pytest.raises(DatasetLayoutError, match="anonymous test folders hold no ground truth"):
        open_dataset(tmp_path, "kitti-selection")


# --- KITTI, all frames ----------------------------------------------------------------------------


def test_kitti_reads_each_cameras_own_depth_and_projection(tmp_path: Path) -> None:
    dataset = open_dataset(kitti(tmp_path))
    train = "train/2011_09_26_drive_0001_sync"
    assert dataset.keys == (
        f"{train}/image_02/0000000005",
        f"{train}/image_03/0000000005",
        f"val/{DRIVE}/image_02/0000000005",
        f"val/{DRIVE}/image_03/0000000005",
    )
    write_uint16(tmp_path / train / "proj_depth/velodyne_raw/image_03/0000000005.png", 256)
    left, right = (dataset.load(key) for key in dataset.keys[:2])
    check_maps(left, sparse=10.0, depth=5121 / 256)
    check_maps(right, sparse=1.0, depth=5121 / 256)
    assert focal_and_centre(left) == (721.5, 722.5, 609.5, 172.8)
    assert focal_and_centre(right) == (711.5, 712.5, 619.5, 182.8)


def test_kitti_is_narrowed_by_split_cameras_and_drives(tmp_path: Path) -> None:
    kitti(tmp_path)
    dataset = open_dataset(tmp_path, "kitti", split="val", cameras=["image_03"])
    assert dataset.name == "kitti-val"
    assert dataset.keys == (f"val/{DRIVE}/image_03/0000000005",)
    shutil.rmtree(tmp_path / "2011_09_26" / DRIVE)
    kept = "2011_09_26_drive_0001_sync"
    assert len(open_dataset(tmp_path, "kitti", drives=[kept]).keys) == 2
    one = open_dataset(tmp_path, "kitti", drives=kept, cameras="image_02")
    assert one.keys == (f"train/{kept}/image_02/0000000005",)
    with pytest.raises(DatasetLayoutError, match="the first being 2011_09_26_drive_0009_sync"):
        open_dataset(tmp_path, "kitti", drives=["2011_09_26_drive_0009_sync"])
    with pytest.raises(DatasetLayoutError, match="and split test"):
        open_dataset(tmp_path, "kitti", split="test")
    with pytest.raises(DatasetLayoutError, match=r"depth of the cameras left .* found none"):
        open_dataset(tmp_path, "kitti", cameras=["left"])


def test_kitti_raw_may_lie_elsewhere(tmp_path: Path) -> None:
    root = kitti(tmp_path / "depth")
    (tmp_path / "raw").mkdir()
    (root / "2011_09_26").rename(tmp_path / "raw" / "2011_09_26")
    dataset = KittiDrives(root, raw=tmp_path / "raw")
    check_maps(dataset.load(dataset.keys[0]), sparse=10.0, depth=5121 / 256)
    with pytest.raises(DatasetLayoutError, match=r"expected photographs in .*give the folder"):
        KittiDrives(root)


def test_kitti_photographs_may_lie_in_the_drives(tmp_path: Path) -> None:
    kitti(tmp_path)
    shutil.copytree(tmp_path / "2011_09_26" / DRIVE, tmp_path / "val" / DRIVE, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "2011_09_26")
    dataset = KittiDrives(tmp_path, split="val")
    sample = dataset.load(dataset.keys[0])
    check_maps(sample, sparse=10.0, depth=5121 / 256)
    assert sample.intrinsics is None


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            "val/{}/proj_depth/groundtruth/image_02/0000000005.png",
            "groundtruth.image_02: .*0000005",
        ),
        ("val/{}/proj_depth/velodyne_raw/image_02/0000000005.png", "velodyne_raw.*0000000005"),
        ("val/{}/proj_depth/groundtruth/image_03", "Unpack data_depth_annotated.zip"),
        ("val/{}/proj_depth/velodyne_raw/image_03", "Unpack data_depth_velodyne.zip"),
        ("2011_09_26/{}/image_02/data/0000000005.png", "Download this drive of KITTI raw again"),
        ("2011_09_26/{}/image_02/data", "expected photographs in"),
    ],
)
def test_kitti_says_what_is_missing_when_it_is_opened(
    missing: str, message: str, tmp_path: Path
) -> None:
    path = kitti(tmp_path) / missing.format(DRIVE)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(DatasetLayoutError, match=message):
        open_dataset(tmp_path)


def test_kitti_calibration_without_the_cameras_matrix_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(kitti(tmp_path))
    calibration = tmp_path / "2011_09_26" / "calib_cam_to_cam.txt"
    calibration.write_text("P_rect_02: 721.5 0 609.5\n")
    with pytest.raises(DatasetLayoutError, match="'P_rect_02:' with 12 numbers, found 3 numbers"):
        dataset.load(dataset.keys[0])
    with pytest.raises(DatasetLayoutError, match="'P_rect_03:' with 12 numbers, found no such"):
        dataset.load(dataset.keys[1])


# --- NYUv2 ----------------------------------------------------------------------------------------


def test_nyu_labelled_is_upright_and_counts_from_one(tmp_path: Path) -> None:
    dataset = open_dataset(nyu_mat(tmp_path) / "nyu_depth_v2_labeled.mat")
    assert dataset.keys == ("00001", "00002", "00003")
    sample = dataset.load("00002")
    assert sample.sparse_depth is None
    assert sample.image.shape == (480, 640, 3)
    assert tuple(sample.image[0, 1]) == (20, 20, 30)
    assert tuple(sample.image[7, 9]) == (255, 255, 255)
    assert sample.depth.dtype == np.float32
    assert sample.depth[7, 9] == 0.5
    assert sample.depth[100, 100] == 2.0
    assert sample.depth[0, 0] == 0  # NaN in the file
    assert focal_and_centre(sample) == pytest.approx((518.858, 519.470, 325.582, 253.736), abs=1e-3)


def test_nyu_splits_are_those_of_splits_mat(tmp_path: Path) -> None:
    nyu_mat(tmp_path)
    assert open_dataset(tmp_path, split="train").keys == ("00002",)
    test = open_dataset(tmp_path, split="test")
    assert test.keys == ("00001", "00003")
    assert test.name == "nyu-test"
    assert test.load("00003").depth[1, 1] == 3.0
    assert NyuLabelled(tmp_path, indices=[3, 1]).keys == ("00003", "00001")
    with pytest.raises(ValueError, match="splits are train and test, not val"):
        NyuLabelled(tmp_path, split="val")
    with pytest.raises(ValueError, match="not both"):
        NyuLabelled(tmp_path, split="test", indices=[1])


@pytest.mark.parametrize("wrong", [0, 4])
def test_nyu_frame_numbers_outside_the_file_are_refused(wrong: int, tmp_path: Path) -> None:
    with pytest.raises(DatasetLayoutError, match=f"numbers from 1 to 3, found {wrong}"):
        NyuLabelled(nyu_mat(tmp_path), indices=[1, wrong])


def test_nyu_split_needs_a_readable_splits_mat(tmp_path: Path) -> None:
    nyu_mat(tmp_path)
    (tmp_path / "splits.mat").write_bytes(b"not a MATLAB file, but long enough to look at" * 10)
    with pytest.raises(DatasetLayoutError, match=r"splits\.mat with testNdxs, found ValueError"):
        NyuLabelled(tmp_path, split="test")
    scipy.io.savemat(tmp_path / "splits.mat", {"trainNdxs": [[1]]})
    with pytest.raises(DatasetLayoutError, match=r"found KeyError\('testNdxs'\)"):
        NyuLabelled(tmp_path, split="test")
    (tmp_path / "splits.mat").unlink()
    with pytest.raises(DatasetLayoutError, match=r"no such file\. Download splits\.mat"):
        NyuLabelled(tmp_path, split="test")


def rewrite_mat(path: Path, **arrays: np.ndarray) -> None:
    with h5py.File(path / "nyu_depth_v2_labeled.mat", "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip")


def test_nyu_labelled_refuses_other_arrays(tmp_path: Path) -> None:
    images, depths = np.zeros((1, 3, 640, 480), np.uint8), np.ones((1, 640, 480), np.float32)
    wrong: list[tuple[dict[str, np.ndarray], str]] = [
        ({"images": images}, "found images .*, depths missing"),
        ({"images": images.transpose(0, 3, 2, 1), "depths": depths}, r"images \[1, 480, 640, 3\]"),
        ({"images": images, "depths": depths.transpose(0, 2, 1)}, r"depths \[1, 480, 640\]"),
        ({"images": images.repeat(2, 0), "depths": depths}, r"images \[2,.*depths \[1,"),
        ({"images": images.astype(np.float32), "depths": depths}, "found float32 and float32"),
        ({"images": images, "depths": depths.astype(np.uint16)}, "found uint8 and uint16"),
    ]
    rewrite_mat(tmp_path, images=images, depths=depths)
    assert len(NyuLabelled(tmp_path).keys) == 1
    for arrays, message in wrong:
        rewrite_mat(tmp_path, **arrays)
        with pytest.raises(DatasetLayoutError, match=message):
            NyuLabelled(tmp_path)


def test_nyu_files_cut_short_or_of_another_format_are_refused(tmp_path: Path) -> None:
    path = nyu_mat(tmp_path) / "nyu_depth_v2_labeled.mat"
    cut_short(path)
    with pytest.raises(DatasetLayoutError, match=r"HDF5 file .*found .*truncated.*download it"):
        open_dataset(path)
    path.write_text("<html>404 Not Found</html>")
    with pytest.raises(DatasetLayoutError, match="expected a readable HDF5 file"):
        open_dataset(path)


def test_nyu_data_damaged_inside_the_file_is_refused(tmp_path: Path) -> None:
    path = nyu_mat(tmp_path) / "nyu_depth_v2_labeled.mat"
    with h5py.File(path) as file:
        chunk = file["images"].id.get_chunk_info(1)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    dataset = open_dataset(path)
    assert dataset.load("00001").depth[1, 1] == 1.0
    with pytest.raises(DatasetLayoutError, match="expected a readable HDF5 file"):
        dataset.load("00002")


def test_nyu_frames_are_found_by_split(tmp_path: Path) -> None:
    dataset = open_dataset(nyu_h5(tmp_path))
    assert dataset.keys == ("train/basement_0001a/00001", "val/official/00001")
    assert open_dataset(tmp_path, split="val").keys == ("val/official/00001",)
    sample = dataset.load("val/official/00001")
    assert sample.sparse_depth is None
    assert tuple(sample.image[0, 1]) == (200, 100, 50)
    assert tuple(sample.image[7, 9]) == (255, 255, 255)
    assert (sample.depth[7, 9], sample.depth[0, 0]) == (0.5, 2.5)
    np.testing.assert_array_equal(np.argwhere(sample.depth == 0), [[20, 30], [20, 31], [20, 32]])
    assert focal_and_centre(sample) == pytest.approx((518.858, 519.470, 325.582, 253.736), abs=1e-3)
    with pytest.raises(DatasetLayoutError, match=r"expected test/ with \.h5 files"):
        open_dataset(tmp_path, "nyu-h5", split="test")


def test_nyu_frames_of_another_size_type_or_cut_short_are_refused(tmp_path: Path) -> None:
    dataset = open_dataset(nyu_h5(tmp_path))
    path = tmp_path / "val" / "official" / "00001.h5"
    wrong = [
        ((3, 228, 304), np.uint8, (228, 304), np.float32, r"rgb \[3, 228, 304\]"),
        ((480, 640, 3), np.uint8, (480, 640), np.float32, r"rgb \[480, 640, 3\]"),
        ((3, 480, 640), np.uint8, (480, 640), np.uint16, "found uint8 and uint16"),
        ((3, 480, 640), np.float64, (480, 640), np.float32, "found float64 and float32"),
    ]
    for rgb_shape, rgb_type, depth_shape, depth_type, message in wrong:
        with h5py.File(path, "w") as file:
            file.create_dataset("rgb", data=np.ones(rgb_shape, rgb_type), compression="gzip")
            file.create_dataset("depth", data=np.ones(depth_shape, depth_type), compression="gzip")
        with pytest.raises(DatasetLayoutError, match=message):
            dataset.load("val/official/00001")
    cut_short(path)
    with pytest.raises(DatasetLayoutError, match=r"00001\.h5: expected a readable HDF5 file"):
        dataset.load("val/official/00001")


@pytest.mark.parametrize("build", [nyu_mat, nyu_h5])
def test_half_crop_is_the_protocol_of_the_benchmarks(
    build: Callable[[Path], Path], tmp_path: Path
) -> None:
    """The same depth ramp through benchmarks/scenes.py and through the reader."""
    from benchmarks.scenes import local_sets

    depth = (np.add.outer(np.arange(240), np.arange(320)) // 4 + 5).astype(np.uint8)
    metres = ((depth.astype(np.float32) + 0.5) / 25.5).repeat(2, 0).repeat(2, 1)
    grey = np.broadcast_to(depth[..., None], (240, 320, 3))
    write_rgb(tmp_path / "data/nyu_train/image/a.jpg", 240, 320)
    (tmp_path / "data/nyu_train/depth").mkdir()
    cv2.imwrite(str(tmp_path / "data/nyu_train/depth/a.png"), depth)
    scene_set = local_sets(tmp_path / "data")["nyu_train"]
    scene = scene_set.load(scene_set.keys[0])

    root = build(tmp_path / "nyu")
    full = grey.repeat(2, 0).repeat(2, 1)
    if build is nyu_mat:
        rewrite_mat(root, images=full.transpose(2, 1, 0)[None], depths=metres.T[None])
    else:
        with h5py.File(root / "train/basement_0001a/00001.h5", "w") as file:
            file["rgb"], file["depth"] = full.transpose(2, 0, 1), metres
    dataset = open_dataset(root, half_crop=True)
    sample = dataset.load(dataset.keys[0])

    assert sample.image.shape == (228, 304, 3)
    np.testing.assert_array_equal(sample.depth, scene.depth)
    np.testing.assert_array_equal(sample.image, grey[6:234, 8:312])
    assert scene.intrinsics is not None
    assert focal_and_centre(sample) == pytest.approx(
        (scene.intrinsics.fx, scene.intrinsics.fy, scene.intrinsics.cx, scene.intrinsics.cy),
        abs=0.005,  # scenes.py rounds to two decimals
    )


def test_half_crop_averages_the_image_but_never_depth(tmp_path: Path) -> None:
    images, depths = np.zeros((1, 3, 640, 480), np.uint8), np.full((1, 640, 480), 8, np.float32)
    images[0, :, 400:402, 200:202] = [[0, 100], [100, 200]]
    depths[0, 400, 200] = 2  # the upper left of four; three of 8 m are behind it
    rewrite_mat(tmp_path, images=images, depths=depths)
    sample = open_dataset(tmp_path, half_crop=True).load("00001")
    row, column = 200 // 2 - 6, 400 // 2 - 8
    assert tuple(sample.image[row, column]) == (100, 100, 100)
    assert sample.depth[row, column] == 2
    assert set(np.unique(sample.depth)) == {2, 8}


# --- VOID -----------------------------------------------------------------------------------------


def test_void_gives_metres_and_masks_what_is_not_valid(tmp_path: Path) -> None:
    dataset = open_dataset(void(tmp_path) / "void_1500")
    assert dataset.name == "void1500"
    assert dataset.keys == (
        "classroom0/1552098057.8059",
        "classroom0/1552098058.8065",
        "stairs4/1.5",
    )
    sample = dataset.load("classroom0/1552098058.8065")
    check_maps(sample, sparse=2.0, depth=777 / 256)
    assert focal_and_centre(sample) == (514.6, 518.9, 315.3, 247.4)
    write_uint16(tmp_path / "void_1500/data/stairs4/validity_map/1.5.png", 0)
    check_maps(dataset.load("stairs4/1.5"), sparse=0.0, depth=777 / 256)


@pytest.mark.parametrize("prefix", ["void_1500/data/", "data/", "/elsewhere/void_1500/data/"])
def test_void_splits_follow_the_lists_whatever_their_prefix(prefix: str, tmp_path: Path) -> None:
    root = void(tmp_path) / "void_1500"
    lines = (root / "test_image.txt").read_text()
    (root / "test_image.txt").write_text(lines.replace("void_1500/data/", prefix) + "\n")
    assert open_dataset(tmp_path, split="test").keys == ("stairs4/1.5",)
    assert len(open_dataset(tmp_path, split="train").keys) == 2


def test_void_with_several_densities_has_to_be_told_which(tmp_path: Path) -> None:
    void(void(tmp_path, 1500), 150)
    with pytest.raises(DatasetLayoutError, match="one density, found void_150, void_1500"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, density=150).name == "void150"
    with pytest.raises(DatasetLayoutError, match="expected void_500/data/<sequence>/"):
        open_dataset(tmp_path, density=500)


@pytest.mark.parametrize("name", ["image", "sparse_depth", "validity_map", "ground_truth"])
def test_void_needs_every_file_of_a_frame(name: str, tmp_path: Path) -> None:
    sequence = void(tmp_path) / "void_1500" / "data" / "classroom0"
    (sequence / name / "1552098058.8065.png").unlink()
    with pytest.raises(
        DatasetLayoutError, match=rf"{name}: expected .*2 frames.*the first being 1552098058.8065"
    ):
        VoidRelease(tmp_path)
    assert len(VoidRelease(tmp_path, split="test").keys) == 1  # the list does not name that frame
    with pytest.raises(DatasetLayoutError, match=r"1552098058\.8065"):
        VoidRelease(tmp_path, split="train")


def test_void_says_what_is_wrong_with_a_sequence_or_a_list(tmp_path: Path) -> None:
    root = void(tmp_path) / "void_1500"
    (root / "test_image.txt").write_text("data/stairs4/1.5.png\n")
    with pytest.raises(DatasetLayoutError, match=r"expected lines such as .*found data/stairs4/1"):
        VoidRelease(root, split="test")
    (root / "test_image.txt").unlink()
    with pytest.raises(
        DatasetLayoutError, match=r"test_image\.txt: expected a text file, found no"
    ):
        VoidRelease(root, split="test")
    (root / "data/stairs4/K.txt").unlink()
    with pytest.raises(DatasetLayoutError, match=r"stairs4: expected K\.txt"):
        VoidRelease(root)
    shutil.rmtree(root / "data/classroom0/ground_truth")
    with pytest.raises(DatasetLayoutError, match="ground_truth: expected a folder, found none"):
        VoidRelease(root)


def test_void_validity_of_another_size_is_refused(tmp_path: Path) -> None:
    dataset = open_dataset(void(tmp_path))
    write_uint16(tmp_path / "void_1500/data/stairs4/validity_map/1.5.png", 1, 4, 4)
    with pytest.raises(DatasetLayoutError, match=r"shape \[8, 12\], found \[4, 4\]"):
        dataset.load("stairs4/1.5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("514 0 315\n0 518 247\n", "found 6 numbers: 514 0 315"),
        ("514 0 0\n0 518 0\n315 247 1\n", "Write the matrix row by row"),
        ("514 0 315\n0 518 247\n0 0 0\n", "found 9 numbers"),
        ("514 3 315\n0 518 247\n0 0 1\n", r"\[fx 0 cx; 0 fy cy; 0 0 1\]"),
        ("514 0 315\n0 -518 247\n0 0 1\n", "focal lengths must be positive"),
        ("fx 514\n", "could not convert string to float: 'fx'"),
    ],
)
def test_a_matrix_that_is_no_camera_matrix_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    dataset = open_dataset(void(tmp_path))
    (tmp_path / "void_1500/data/stairs4/K.txt").write_text(text)
    with pytest.raises(DatasetLayoutError, match=message):
        dataset.load("stairs4/1.5")


# --- folders of triples, and what every reader of files refuses -----------------------------------


def test_a_folder_of_triples_is_in_millimetres_unless_told_otherwise(tmp_path: Path) -> None:
    dataset = open_dataset(folder(tmp_path / "mine"))
    assert dataset.name == "mine"
    assert dataset.keys == ("a", "b.5")
    sample = dataset.load("b.5")
    check_maps(sample, sparse=np.float32(1.234), depth=np.float32(4.321))
    assert focal_and_centre(sample) == (600, 601, 6, 4)
    other = open_dataset(tmp_path / "mine", units_per_metre=256).load("a")
    check_maps(other, sparse=1234 / 256, depth=4321 / 256)
    with pytest.raises(ValueError, match="must be positive"):
        open_dataset(tmp_path / "mine", units_per_metre=0)


def test_sparse_or_depth_alone_is_enough(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "intrinsics.txt").unlink()
    shutil.move(tmp_path / "sparse", tmp_path / "elsewhere")
    sample = open_dataset(tmp_path).load("a")
    check_maps(sample, sparse=None, depth=np.float32(4.321))
    assert sample.intrinsics is None
    shutil.move(tmp_path / "elsewhere", tmp_path / "sparse")
    shutil.rmtree(tmp_path / "depth")
    check_maps(open_dataset(tmp_path).load("a"), sparse=np.float32(1.234), depth=0.0)
    shutil.rmtree(tmp_path / "sparse")
    with pytest.raises(DatasetLayoutError, match="at least one of sparse/ and depth/"):
        open_dataset(tmp_path, "folder")


@pytest.mark.parametrize("suffix", [".npy", ".tiff"])
def test_float_depth_is_in_metres_whatever_the_unit_and_nan_is_unknown(
    suffix: str, tmp_path: Path
) -> None:
    folder(tmp_path)
    (tmp_path / "depth" / "a.png").unlink()
    metres = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    metres[1, 2], metres[0, 0] = 3.25, np.inf
    if suffix == ".npy":
        np.save(tmp_path / "depth" / "a.npy", metres)
    else:
        Image.fromarray(metres).save(tmp_path / "depth" / "a.tiff")
    sample = open_dataset(tmp_path, units_per_metre=256).load("a")
    check_maps(sample, sparse=1234 / 256, depth=3.25)


def test_the_byte_order_of_a_file_does_not_matter(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "depth" / "a.png").unlink()
    stored = np.zeros((HEIGHT, WIDTH), ">u2")
    stored[1, 2], stored[0, 0] = 4321, 65535
    np.save(tmp_path / "depth" / "a.npy", stored)
    check_maps(open_dataset(tmp_path).load("a"), sparse=np.float32(1.234), depth=np.float32(4.321))


@pytest.mark.parametrize("value", [1e300, 3.4e38, 2e6])
def test_depth_that_no_sensor_measures_is_refused(value: float, tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "depth" / "a.png").unlink()
    np.save(tmp_path / "depth" / "a.npy", np.full((HEIGHT, WIDTH), value))
    with pytest.raises(DatasetLayoutError, match=r"a\.npy: expected depth from 0 to 1e\+06 metres"):
        open_dataset(tmp_path).load("a")


def test_saturated_depth_is_unknown(tmp_path: Path) -> None:
    write_uint16(folder(tmp_path) / "depth" / "a.png", 65535)
    check_maps(open_dataset(tmp_path).load("a"), sparse=np.float32(1.234), depth=0.0)


def test_intrinsics_may_be_yaml_and_must_be_of_the_images_size(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "intrinsics.txt").unlink()
    dataset = open_dataset(tmp_path)
    yaml_file = tmp_path / "intrinsics.yaml"
    yaml_file.write_text("fx: 600\nfy: 601.5\ncx: 6\ncy: 4\nwidth: 12\nheight: 8\n")
    assert focal_and_centre(dataset.load("a")) == (600, 601.5, 6, 4)
    for text, message in (
        ("fx: 1\nfy: 1\ncx: 6\ncy: 4\nwidth: 24\nheight: 16\n", "image's size 12x8, found 24x16"),
        ("fx: 1\nfy: 1\ncx: 6\n", "expected fx, fy, cx and cy in pixels, found .'cx', 'fx', 'fy'"),
        ("fx: 1\nfy: 1\ncx: 6\ncy: 4\nwidth: 12.7\n", "in whole pixels, found 12.7 and 8"),
        ("fx: 1\nfy: 1\ncx: 6\ncy: 4\nheight: .inf\n", "in whole pixels, found 12 and inf"),
        ("fx: 1\nfy: wide\ncx: 6\ncy: 4\n", "could not convert string to float: 'wide'"),
        ("fx: 0\nfy: 1\ncx: 6\ncy: 4\n", "focal lengths must be positive"),
        ("fx: [1\n", "expected a YAML file"),
    ):
        yaml_file.write_text(text)
        with pytest.raises(DatasetLayoutError, match=message):
            dataset.load("a")


@pytest.mark.parametrize(
    ("missing", "where"),
    [("image/a.png", "image"), ("sparse/a.png", "sparse"), ("depth/a.png", "depth")],
)
def test_a_stem_without_counterpart_is_refused(missing: str, where: str, tmp_path: Path) -> None:
    (folder(tmp_path) / missing).unlink()
    with pytest.raises(DatasetLayoutError, match=rf"{where}: expected .*the first being a\."):
        open_dataset(tmp_path)


def test_two_files_of_one_stem_are_refused_and_foreign_files_ignored(tmp_path: Path) -> None:
    folder(tmp_path)
    write_text(tmp_path / "image" / "Thumbs.db", "")
    write_text(tmp_path / "image" / "._a.png", "")
    assert open_dataset(tmp_path).keys == ("a", "b.5")
    write_rgb(tmp_path / "image" / "a.jpg")
    with pytest.raises(DatasetLayoutError, match=r"one file per stem, found a\.jpg and a\.png"):
        open_dataset(tmp_path)
    shutil.rmtree(tmp_path / "image")
    (tmp_path / "image").mkdir()
    with pytest.raises(DatasetLayoutError, match="expected PNG or JPEG files, found an empty"):
        open_dataset(tmp_path)


def save(array: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(array).save(path)


def cut_noise(path: Path) -> None:
    """Noise, so that half of the file is half of the pixels and not only a header."""
    noise = np.random.default_rng(0).integers(0, 65535, (64, 64)).astype(np.uint16)
    Image.fromarray(noise).save(path)
    cut_short(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (cut_noise, "expected a readable image, found .*truncated"),
        (lambda path: path.write_bytes(b""), "expected a readable image, found no known"),
        (lambda path: path.write_text("<html>"), "expected a readable image, found no known"),
        (lambda path: path.unlink(), "found no such file"),
        (save(np.ones((HEIGHT, WIDTH), np.uint8)), r"16-bit.*found uint8 of shape \[8, 12\]"),
        (save(np.ones((HEIGHT, WIDTH, 3), np.uint8)), r"found uint8 of shape \[8, 12, 3\]"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("void", "void_1500/data/stairs4/{}/1.5.png"),
        ("kitti", f"val/{DRIVE}/proj_depth/{{}}/image_03/0000000005.png"),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_depth_png_that_is_no_sound_uint16_image_is_refused(
    spoil: Callable[[Path], None], message: str, kind: str, file: str, which: int, tmp_path: Path
) -> None:
    dataset = open_dataset(BUILDERS[kind](tmp_path))
    names = {"void": ("sparse_depth", "ground_truth"), "kitti": ("velodyne_raw", "groundtruth")}
    path = tmp_path / file.format(names[kind][which])
    dataset.load(dataset.keys[-1])
    spoil(path)
    with pytest.raises(DatasetLayoutError, match=message) as caught:
        dataset.load(dataset.keys[-1])
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("a.png", cut_noise, "truncated"),
        ("a.png", save(np.ones((HEIGHT, WIDTH), np.uint8)), "found uint8"),
        ("a.npy", lambda path: np.save(path, np.ones((HEIGHT, WIDTH), np.int32)), "found int32"),
        ("a.npy", lambda path: np.save(path, np.ones((HEIGHT, WIDTH, 1))), r"\[8, 12, 1\]"),
        ("a.npy", lambda path: np.save(path, -np.ones((HEIGHT, WIDTH))), "found values down to -1"),
        (
            "a.npy",
            lambda path: np.save(path, np.array([{}], object), allow_pickle=True),
            "expected a NumPy array file",
        ),
        ("a.npy", lambda path: path.write_bytes(b"PK\3\4"), "expected a NumPy array file"),
        ("a.npy", lambda path: path.write_bytes(b""), "expected a NumPy array file"),
        ("a.tiff", lambda path: path.write_bytes(b"II*\0"), "expected a readable image"),
    ],
)
def test_depth_of_a_folder_that_is_not_depth_is_refused(
    name: str, spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    (folder(tmp_path) / "depth" / "a.png").unlink()
    path = tmp_path / "depth" / name
    write_uint16(path.with_suffix(".png"), 1)
    path.with_suffix(".png").rename(path)
    spoil(path)
    with pytest.raises(DatasetLayoutError, match=message) as caught:
        open_dataset(tmp_path).load("a")
    assert caught.value.path == path


def test_a_cut_npy_file_is_refused(tmp_path: Path) -> None:
    (folder(tmp_path) / "depth" / "a.png").unlink()
    np.save(tmp_path / "depth" / "a.npy", np.ones((HEIGHT, WIDTH), np.float32))
    cut_short(tmp_path / "depth" / "a.npy")
    with pytest.raises(DatasetLayoutError, match=r"a\.npy: expected a NumPy array file"):
        open_dataset(tmp_path).load("a")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_cut_short_are_refused_not_filled_up(suffix: str, tmp_path: Path) -> None:
    (folder(tmp_path) / "image" / "a.png").unlink()
    path = tmp_path / "image" / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    dataset = open_dataset(tmp_path)
    assert dataset.load("a").image.shape == (HEIGHT, WIDTH, 3)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetLayoutError, match=r"expected a readable image, found .*truncated"):
        dataset.load("a")


def test_images_may_be_grey_or_transparent_but_not_16_bit(tmp_path: Path) -> None:
    dataset = open_dataset(folder(tmp_path))
    path = tmp_path / "image" / "a.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), 77, np.uint8)).save(path)
    assert (dataset.load("a").image == 77).all()
    Image.fromarray(np.full((HEIGHT, WIDTH, 4), (1, 2, 3, 0), np.uint8)).save(path)
    assert (dataset.load("a").image == (1, 2, 3)).all()
    write_uint16(path, 300)
    with pytest.raises(DatasetLayoutError, match="8-bit RGB or grey image, found uint16"):
        dataset.load("a")
