from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        assert picture.shape[0] == 64
        assert 96 < picture.shape[1] < 192  # the depth scale stands beside it
        assert picture.shape[2] == 3
        assert picture.dtype == np.uint8


def test_point_cloud_has_a_point_per_pixel(folder: Path, complete: Run) -> None:
    assert complete("dense.ply", options="--intrinsics 80 80 47.5 31.5") == 0

    assert b"element vertex 6144\n" in (folder / "dense.ply").read_bytes()


def test_says_why_a_depth_may_be_wrong(
    complete: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corner = np.zeros((64, 96), np.float32)
    corner[:4, :4] = 4
    np.save(folder / "sparse.npy", corner)
    assert complete("dense.npy") == 0
    assert (folder / "dense.npy").exists()
    assert "warning: in 9" in capsys.readouterr().err  # percent of the image no point is near


def test_too_far_depth_is_warned_about(complete: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete("dense.png", options="--depth-scale 60000") == 0

    assert "warning: 6144 pixels are farther than 1.1 m" in capsys.readouterr().err


def save_sparse(folder: Path, depth: float) -> None:
    sparse = np.zeros((64, 96), np.float32)
    sparse[::8, ::8] = depth
    np.save(folder / "sparse.npy", sparse)


@pytest.mark.parametrize("output", ["dense.npy", "dense.preview.png", "dense.png"])
def test_asks_whether_a_very_deep_scene_is_in_millimetres(
    folder: Path, complete: Run, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    save_sparse(folder, 4000)
    assert complete(output) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "farther than 4800 m: are these millimetres?" in lines[0]


def test_a_far_background_is_no_question_of_the_unit(
    folder: Path, complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:, :40], image[:, 40:60] = 1, 255  # black is unknown, white is farther
    write_image(folder / "image.png", image)
    save_sparse(folder, 150)
    assert complete("dense.png") == 0
    warning = capsys.readouterr().err
    assert "warning: 1280 pixels are farther than 256.0 m" in warning
    assert "millimetres" not in warning


def test_says_the_depths_that_came_and_went(
    folder: Path, complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete("dense.npy") == 0
    text = capsys.readouterr().out
    assert text.startswith("completed 96 points, 4.00 m to 4.00 m, in ")
    assert f"s: dense 4.80 m to 4.80 m -> {folder / 'dense.npy'}" in text
    assert "--depth-scale" not in text


def test_says_with_which_scale_a_png_was_read_and_written(
    complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--depth-scale 1000"
    assert complete("dense.png", "d.preview.png", sparse="sparse.png", options=options) == 0
    text = capsys.readouterr().out
    assert "96 points, 1.02 m to 1.02 m (--depth-scale 1000), in" in text
    assert "dense.png (--depth-scale 1000), " in text
    assert text.count("--depth-scale") == 2


def test_negative_depth_is_none_and_counted(
    folder: Path, complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    sparse = np.load(folder / "sparse.npy")
    sparse[1, :3], sparse[2, :2] = -1, np.nan
    np.save(folder / "sparse.npy", sparse)
    assert complete("dense.npy") == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        f"starrygazer: note: {folder / 'sparse.npy'}: 3 negative values are taken as none"
    ]
    assert said.out.startswith("completed 96 points, 4.00 m to 4.00 m")
    np.testing.assert_allclose(np.load(folder / "dense.npy"), DEPTH, rtol=1e-4)


@pytest.fixture
def half_certain(folder: Path) -> Path:
    """The folder with an image whose right half has a confidence of 0.8, the left 0.2."""
    image = np.full((64, 96, 3), GREY, np.uint8)
    image[:, 48:] = 204
    write_image(folder / "image.png", image)
    return folder


def test_writes_the_confidence(half_certain: Path, complete: Run) -> None:
    assert complete("dense.confidence.png", "dense.confidence.npy") == 0

    steps = cv2.imread(str(half_certain / "dense.confidence.png"), cv2.IMREAD_UNCHANGED)
    values = np.load(half_certain / "dense.confidence.npy")
    assert steps.dtype == np.uint8
    assert steps.shape == values.shape == (64, 96)
    assert values.dtype == np.float32
    assert steps[0, [0, -1]].tolist() == [51, 204]
    np.testing.assert_allclose(values[0, [0, -1]], [0.2, 0.8], atol=1e-3)


def test_uncertain_depth_is_unknown_in_every_output_but_the_confidence(
    half_certain: Path, complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("d.npy", "d.png", "d.preview.png", "d.ply", "d.confidence.npy")
    options = "--min-confidence 0.5 --intrinsics 80 80 47.5 31.5"
    assert complete(*names, options=options) == 0

    depth = np.load(half_certain / "d.npy")
    assert np.isnan(depth[:, :48]).all()
    assert np.isfinite(depth[:, 48:]).all()
    stored = cv2.imread(str(half_certain / "d.png"), cv2.IMREAD_UNCHANGED)
    assert not stored[:, :48].any()
    assert stored[:, 48:].all()
    picture = cv2.imread(str(half_certain / "d.preview.png"))
    assert not picture[:, :48].any()
    assert b"element vertex 3072\n" in (half_certain / "d.ply").read_bytes()
    assert (np.load(half_certain / "d.confidence.npy") > 0).all()
    assert "50.0% unknown" in capsys.readouterr().out


def test_says_so_when_nothing_is_certain_enough(
    folder: Path, complete: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = ("d.npy", "d.png", "d.preview.png", "d.ply")
    options = "--min-confidence 1 --intrinsics 80 80 47.5 31.5"
    assert complete(*outputs, options=options) == 0
    assert "dense nowhere, 100.0% unknown" in capsys.readouterr().out
    assert b"element vertex 0\n" in (folder / "d.ply").read_bytes()


def test_edge_ratio_leaves_flying_pixels_out_of_the_cloud_only(folder: Path, complete: Run) -> None:
    image = np.full((64, 96, 3), 1, np.uint8)
    image[:, 40:], image[:, 41:] = 60, 255
    write_image(folder / "image.png", image)
    options = "--intrinsics 80 80 47.5 31.5 --edge-ratio 0.05"
    assert complete("dense.ply", "dense.npy", options=options) == 0

    header = (folder / "dense.ply").read_bytes().split(b"end_header")[0].decode()
    kept = int(header.split("element vertex ")[1].split()[0])
    assert 6144 - 4 * 64 <= kept <= 6144 - 64
    assert np.isfinite(np.load(folder / "dense.npy")).all()


def test_options_are_not_guessed(complete: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        complete("dense.ply", options="--intrinsic 1 1 1 1")
    assert exit_.value.code == 2
    assert "unrecognized arguments: --intrinsic" in capsys.readouterr().err


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
        ({"options": "--bundle nowhere"}, "no model bundle 'nowhere': there is no manifest.yaml"),
        ({"options": "--bundle nowhere"}, ". Give the path of a bundle folder, or one"),
        ({"options": "--min-sparse-points 999"}, "or lower --min-sparse-points"),
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
        ("dense.confidence.jpg", "", "written as .confidence.png or .confidence.npy"),
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
        ("--min-confidence 1.5", "1.5 is not a number from 0 to 1"),
        ("--min-confidence nan", "nan is not a number from 0 to 1"),
        ("--edge-ratio 0", "0 is not a positive number"),
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
    for row in (0, 1):  # points with no like beside them would be outliers
        sparse[row::12, ::2] = 4.0
        sparse[row::12, 11:91:2] = 8.0  # among the points of a surface that hides them
    np.save(folder / "sparse.npy", sparse)
    hidden = int(np.count_nonzero(sparse == 8))
    assert complete("dense.npy") == 0
    assert f" ({hidden} left out as occluded), 4.00 m to 8.00 m, in" in capsys.readouterr().out
    assert complete("all.npy", options="--keep-occluded") == 0
    assert "left out" not in capsys.readouterr().out


def test_the_snippet_of_the_readme_runs_as_printed(
    repository: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = (repository / "README.md").read_text(encoding="utf-8").split("## Without ROS\n")[1]
    snippet = section.split("\n## ")[0].split("```python\n")[1].split("```")[0]
    (folder / "sparse.png").rename(folder / "lidar.png")
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}

    exec(snippet, names)

    assert names["result"].depth.shape == (64, 96)
    assert np.isfinite(names["result"].depth).all()  # as the text below it says
    assert names["result"].depth.mean() == pytest.approx(4, rel=0.1)


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
