from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from bundles import GREY, expected_depth
from starrygazer_ros import __version__, cli
from starrygazer_ros.files import write_image

Run = Callable[..., int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A grey image and sparse depth that fits it."""
    sparse = np.zeros((64, 96), np.float32)
    sparse[::8, ::8] = 4.0
    write_image(tmp_path / "image.png", np.full((64, 96, 3), GREY, np.uint8))
    np.save(tmp_path / "sparse.npy", sparse)
    cv2.imwrite(str(tmp_path / "sparse.png"), (sparse * 256).astype(np.uint16))
    return tmp_path


@pytest.fixture
def complete(folder: Path, tiny_bundle: Path) -> Run:
    """Run ``starrygazer complete`` in the folder with the tiny bundle."""

    def run(
        *outputs: str, image: str = "image.png", sparse: str = "sparse.npy", options: str = ""
    ) -> int:
        arguments = ["complete", str(folder / image), str(folder / sparse)]
        for output in outputs:
            arguments += ["-o", str(folder / output)]
        return cli.main([*arguments, "--bundle", str(tiny_bundle), *options.split()])

    return run


DEPTH = expected_depth(np.full((1, 1), 4.0))


def test_writes_npy_in_metres(folder: Path, complete: Run) -> None:
    assert complete("dense.npy") == 0

    dense = np.load(folder / "dense.npy")
    assert dense.shape == (64, 96)
    assert dense.dtype == np.float32
    np.testing.assert_allclose(dense, DEPTH, rtol=1e-4)


def test_reads_and_writes_16_bit_png_in_kitti_scale(folder: Path, complete: Run) -> None:
    assert complete("dense.png", sparse="sparse.png") == 0

    stored = cv2.imread(str(folder / "dense.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    np.testing.assert_allclose(stored / 256, DEPTH, atol=1 / 256)


def test_depth_scale_holds_for_input_and_output(folder: Path, complete: Run) -> None:
    assert complete("dense.png", sparse="sparse.png", options="--depth-scale 1000") == 0

    stored = cv2.imread(str(folder / "dense.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(stored / 1000, DEPTH * 256 / 1000, atol=1e-3)


def test_preview_is_a_colour_picture(folder: Path, complete: Run) -> None:
    assert complete("dense.preview.png", "dense.jpg") == 0

    for name in ("dense.preview.png", "dense.jpg"):
        picture = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (64, 96, 3)
        assert picture.dtype == np.uint8


def test_point_cloud_has_a_point_per_pixel(folder: Path, complete: Run) -> None:
    assert complete("dense.ply", options="--intrinsics 80 80 47.5 31.5") == 0

    assert b"element vertex 6144\n" in (folder / "dense.ply").read_bytes()


def test_too_far_depth_is_warned_about(complete: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete("dense.png", options="--depth-scale 60000") == 0

    assert "warning: 6144 pixels are farther than 1.1 m" in capsys.readouterr().err


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("starrygazer: error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": "missing.png"}, "missing.png does not exist"),
        ({"image": "sparse.npy"}, "not an image"),
        ({"sparse": "missing.png"}, "missing.png does not exist"),
        ({"sparse": "image.png"}, "must be a 16-bit PNG"),
        ({"sparse": "other_size.npy"}, "image is 96x64 but sparse depth is 48x32"),
        ({"sparse": "empty.npy"}, "0 valid points"),
        ({"sparse": "infinite.npy"}, "infinite or negative"),
        ({"options": "--bundle nowhere"}, "no model bundle 'nowhere'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    folder: Path,
    complete: Run,
    capsys: pytest.CaptureFixture[str],
    arguments: dict[str, str],
    message: str,
) -> None:
    np.save(folder / "other_size.npy", np.ones((32, 48), np.float32))
    np.save(folder / "empty.npy", np.zeros((64, 96), np.float32))
    np.save(folder / "infinite.npy", np.full((64, 96), np.inf, np.float32))

    assert complete("dense.npy", **arguments) == 2
    assert message in one_line(capsys)
    assert not (folder / "dense.npy").exists()


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("dense.tiff", "", "the ending must be"),
        ("dense.ply", "", "add --intrinsics FX FY CX CY"),
        ("dense.ply", "--intrinsics 0 80 48 32", "focal lengths must be positive"),
        ("missing/dense.npy", "", "there is no folder"),
    ],
)
def test_impossible_output_is_one_line_and_exit_code_2(
    complete: Run, capsys: pytest.CaptureFixture[str], output: str, options: str, message: str
) -> None:
    assert complete(output, options=options) == 2
    assert message in one_line(capsys)


def test_a_changed_bundle_is_refused(
    folder: Path, tiny_bundle_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tiny_bundle_copy / "mde.onnx").open("ab") as file:
        file.write(b"!")
    inputs = [str(folder / "image.png"), str(folder / "sparse.npy")]

    arguments = ["complete", *inputs, "-o", str(folder / "dense.npy")]
    assert cli.main([*arguments, "--bundle", str(tiny_bundle_copy)]) == 2
    assert "mde.onnx was changed" in one_line(capsys)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--depth-scale 0", "0 is not a positive number"),
        ("--depth-scale nan", "nan is not a positive number"),
        ("--depth-scale many", "many is not a positive number"),
        ("--threads 0", "0 is not a whole number of at least 1"),
        ("--threads two", "two is not a whole number of at least 1"),
    ],
)
def test_senseless_options_are_refused_with_a_reason(
    complete: Run, option: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        complete("dense.npy", options=option)
    assert exit_.value.code == 2
    assert reason in capsys.readouterr().err


def test_an_input_is_never_overwritten(
    complete: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "image.png").read_bytes()
    assert complete("image.png") == 2
    assert "would be overwritten" in one_line(capsys)
    assert (folder / "image.png").read_bytes() == before


def test_the_least_number_of_points_is_an_option(
    complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete("dense.npy", options="--min-sparse-points 100000") == 2
    assert "at least 100000 are needed" in one_line(capsys)


def test_says_how_many_points_it_left_out_as_occluded(
    folder: Path, complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    sparse = np.zeros((64, 96), np.float32)
    sparse[::4, ::2] = 4.0
    sparse[::4, 11:91:2] = 8.0  # among the points of a surface that hides them
    np.save(folder / "sparse.npy", sparse)
    hidden = int(np.count_nonzero(sparse == 8))
    assert complete("dense.npy") == 0
    assert f", {hidden} left out as occluded" in capsys.readouterr().out
    assert complete("all.npy", options="--keep-occluded") == 0
    assert "left out" not in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"starrygazer {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["complete", "--help"]])
def test_help_shows_examples(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert "starrygazer complete image.png lidar.png -o dense.png" in text
    assert max(map(len, text.splitlines())) <= 100


def test_runs_as_a_module_without_ros_and_torch(repository: Path) -> None:
    code = (
        "import sys, starrygazer_ros.cli; "
        "print(sorted({'rclpy', 'torch', 'scipy', 'skimage'} & set(sys.modules)))"
    )
    for arguments, output in (
        (["-c", code], "[]"),
        (["-m", "starrygazer_ros.cli", "--version"], f"starrygazer {__version__}"),
    ):
        process = subprocess.run(
            [sys.executable, *arguments], cwd=repository, capture_output=True, text=True, check=True
        )
        assert process.stdout.strip() == output
