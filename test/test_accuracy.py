from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
pytest.importorskip("skimage", reason="the motorcycle comes from scikit-image")
from benchmarks import accuracy, gallery

NOT_REPEATABLE = {"milliseconds"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with four small frames in the layout of ``hololens``."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name in ("image", "depth"):
        (folder / "hololens" / name).mkdir(parents=True)
    for i in range(4):
        image = random.integers(40, 256, (48, 64, 3), np.uint8)
        depth = np.full((48, 64), 2000, np.uint16)
        depth[:, 20 + i :] = 3500
        cv2.imwrite(str(folder / "hololens" / "image" / f"{i}.jpg"), image)
        cv2.imwrite(str(folder / "hololens" / "depth" / f"{i}.png"), depth)
    return folder


@pytest.fixture
def other_bundle(tiny_bundle_copy: Path) -> Path:
    """The tiny bundle under another name."""
    manifest = tiny_bundle_copy / "manifest.yaml"
    content = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    manifest.write_text(yaml.safe_dump({**content, "name": "other"}), encoding="utf-8")
    return tiny_bundle_copy


def run(data: Path, bundle: Path, *options: str) -> int:
    common = ["--data", str(data), "--bundle", str(bundle), "--only", "hololens"]
    return accuracy.main([*common, *options])


def without_times(report: Any) -> Any:
    if isinstance(report, dict):
        return {k: without_times(v) for k, v in report.items() if k not in NOT_REPEATABLE}
    return [without_times(item) for item in report] if isinstance(report, list) else report


def test_the_result_does_not_depend_on_the_number_of_workers(
    data: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    reports = []
    for workers in ("1", "1", "2"):
        path = tmp_path / "report.json"
        assert run(data, tiny_bundle, "--workers", workers, "--json", str(path)) == 0
        reports.append(without_times(json.loads(path.read_text(encoding="utf-8"))))

    assert reports[0] == reports[1] == reports[2]
    assert reports[0]["cases"][0]["frames"] == 4


def test_table_has_a_line_per_method_and_the_verdict(
    data: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, tiny_bundle, "--workers", "1", "--limit", "2")

    output = capsys.readouterr().out
    assert "hololens, 500 points: 2 frames" in output
    for method in ("ours", "grey image", "nearest", "inpainting", "ip_basic", "affine"):
        assert f"\n  {method} " in output
    for column in ("RMSE", "MAE", "REL", "iRMSE", "δ1", "edge RMSE", "AUSE RMSE", "ms", "param."):
        assert column in output
    assert "over the best baseline" in output


def test_several_bundles_have_their_own_lines(
    data: Path, tiny_bundle: Path, other_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, tiny_bundle, "--bundle", str(other_bundle), "--workers", "1", "--limit", "1")

    output = capsys.readouterr().out
    for label in ("tiny", "other"):
        for method in ("ours", "grey image", "affine", "affine robust", "affine+residual"):
            assert f"{method} [{label}]" in output
    assert output.count("\n  barycentric ") == 1


def test_bundles_of_one_name_are_told_apart_by_what_was_asked_for(
    data: Path, tiny_bundle: Path, tiny_bundle_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, tiny_bundle, "--bundle", str(tiny_bundle_copy), "--workers", "1", "--limit", "1")

    output = capsys.readouterr().out
    assert f"ours [{tiny_bundle}]" in output
    assert f"ours [{tiny_bundle_copy}]" in output


def test_markdown_has_only_tables_of_even_width(
    data: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, tiny_bundle, "--workers", "1", "--markdown")

    output = capsys.readouterr().out
    tables = [block.splitlines() for block in output.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert "| hololens, 500 points (4) |" in output
    assert output.count("**") == 2  # one best per case


def test_plots_are_pictures_of_each_case(data: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    run(data, tiny_bundle, "--workers", "1", "--limit", "1", "--plots", str(tmp_path / "plots"))

    (plot,) = (tmp_path / "plots").iterdir()
    assert plot.name == "hololens_500_points_tiny.png"
    assert cv2.imread(str(plot)).std() > 10


def test_a_bundle_that_is_not_there_is_said_plainly(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, tmp_path / "nothing") == 2

    assert "accuracy: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--json", "nowhere/scores.json", "argument --json: there is no folder nowhere"),
        ("--json", ".", "argument --json: . is a folder"),
        ("--plots", "file/plots", "file is a file, not a folder"),
        ("--limit", "0", "argument --limit: '0' is no whole number from 1"),
        ("--limit", "-1", "argument --limit: '-1' is no whole number from 1"),
        ("--threads", "0", "argument --threads: '0' is no whole number from 1"),
        ("--workers", "two", "argument --workers: 'two' is no whole number from 1"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_scoring(
    option: str,
    value: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as caught:
        accuracy.main([f"{option}={value}"])

    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_word_that_no_case_has_is_an_error(data: Path, tiny_bundle: Path) -> None:
    options = ["--data", str(data), "--bundle", str(tiny_bundle), "--only", "no such word"]

    assert accuracy.main(options) == 1


def test_a_folder_without_data_is_mentioned(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--bundle", str(tiny_bundle), "--data", str(tmp_path), "--only", "16 lines, range"]

    assert accuracy.main([*options, "--workers", "1"]) == 0

    captured = capsys.readouterr()
    assert f"no data folder {tmp_path}" in captured.err
    assert "motorcycle, 16 lines, range-limited" in captured.out.split("\nfaults: ")[1]


@pytest.fixture
def triples(tmp_path: Path) -> Path:
    """A user's folder: three frames of a step in depth with every 4th pixel given."""
    random = np.random.default_rng(1)
    for name in ("image", "sparse", "depth"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    for i in range(3):
        depth = np.full((48, 64), 2000, np.uint16)
        depth[:, 20 + i :] = 3500
        sparse = np.zeros_like(depth)
        sparse[::4, ::4] = depth[::4, ::4]
        image = random.integers(40, 256, (48, 64, 3), np.uint8)
        for name, content in (("image", image), ("sparse", sparse), ("depth", depth)):
            cv2.imwrite(str(tmp_path / "mine" / name / f"{i}.png"), content)
    return tmp_path / "mine"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_data_set_of_ones_own_is_scored_alone(
    triples: Path, tiny_bundle: Path, workers: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    report = tmp_path / "report.json"
    options = ["--bundle", str(tiny_bundle), "--workers", workers, "--json", str(report)]
    assert accuracy.main([*options, "--dataset", f"folder:{triples}"]) == 0

    (case,) = json.loads(report.read_text(encoding="utf-8"))["cases"]
    assert case["case"] == "mine, its own sparse depth"
    assert (case["frames"], case["points"]) == (3, 12 * 16)
    assert f"folder of {triples}" in case["note"]
    captured = capsys.readouterr()
    assert "mine, its own sparse depth: 3 frames, 192 points" in captured.out
    assert "no data folder" not in captured.err


def test_a_data_set_without_sparse_depth_gets_random_points_of_its_truth(
    triples: Path, tiny_bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (triples / "sparse").rename(triples.parent / "elsewhere")
    options = ["--data", str(data), "--bundle", str(tiny_bundle), "--limit", "1", "--workers", "1"]
    words = ["--dataset", f"auto:{triples}", "units_per_metre=500"]
    assert accuracy.main([*options, *words, "--only", "mine", "hololens, 500 points"]) == 0

    output = capsys.readouterr().out
    for name in ("mine, 500 points", "mine, 50 points", "hololens, 500 points"):
        assert f"\n{name}: 1 frame, " in output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["folder"], "a data set is KIND:PATH, such as void:void_release/void_1500, not folder"),
        (["kity:x"], "not kity:x; the kinds are auto, kitti-selection, kitti"),
        (["folder:nowhere"], "nowhere: expected image/ and at least one of sparse/ and depth/"),
        (["auto:nowhere"], "nowhere: expected one of the layouts"),
        (["void:nowhere", "density"], "options are NAME=VALUE, not density"),
        (["folder:{triples}", "unit=1"], "no option unit: they take units_per_metre"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_said_before_any_scoring(
    words: list[str],
    message: str,
    triples: Path,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [word.format(triples=triples) for word in words]
    assert accuracy.main(["--bundle", str(tiny_bundle), "--dataset", *given]) == 2

    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_a_frame_without_truth_is_named(
    triples: Path, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(triples / "depth" / "1.png"), np.zeros((48, 64), np.uint16))
    options = ["--bundle", str(tiny_bundle), "--workers", "2", "--dataset", f"folder:{triples}"]
    assert accuracy.main(options) == 2

    assert "1.png: there is no true depth of this frame" in capsys.readouterr().err


def test_benchmarks_need_no_torch(repository: Path) -> None:
    code = "import sys; sys.modules['torch'] = None\nimport benchmarks.accuracy, benchmarks.gallery"
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)


def test_gallery_draws_a_strip(
    data: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "SCENES", {"hololens, 500 points": 2})
    output = tmp_path / "pictures"

    options = ["--bundle", str(tiny_bundle), "--data", str(data), "--output", str(output)]
    assert gallery.main(options) == 0

    (picture,) = output.iterdir()
    assert picture.name == "01_hololens_500_points.png"
    height, width, _ = cv2.imread(str(picture)).shape
    assert width > 2 * height  # two rows of five panels


def test_gallery_says_which_scenes_have_no_data(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(gallery, "SCENES", {"hololens, 500 points": 2})

    options = ["--bundle", str(tiny_bundle), "--data", str(tmp_path), "--output", str(tmp_path)]
    assert gallery.main(options) == 1

    assert "hololens, 500 points" in capsys.readouterr().err


def test_gallery_has_twelve_scenes_that_exist(data: Path) -> None:
    from benchmarks.protocols import cases
    from benchmarks.scenes import DEFAULT_DATA, local_sets

    assert len(gallery.SCENES) == 12
    if not local_sets(DEFAULT_DATA):
        pytest.skip("no local data sets here")
    frames = {case.name: case.frames for case in cases(DEFAULT_DATA)}
    assert all(index < frames[name] for name, index in gallery.SCENES.items())


def test_only_scenes_from_packages_are_published(
    repository: Path, data: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    options = ["--bundle", str(tiny_bundle), "--data", str(data), "--output", str(tmp_path)]
    assert gallery.main([*options, "--redistributable"]) == 0

    drawn = list(tmp_path.iterdir())
    assert len(drawn) >= 3
    assert {path.suffix for path in drawn} == {".jpg"}
    committed = [p for p in (repository / "docs" / "gallery").iterdir() if p.suffix != ".md"]
    assert all("motorcycle" in path.name for path in [*drawn, *committed])


def test_git_ignores_the_default_folder_of_the_gallery(repository: Path) -> None:
    ignored = (repository / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert f"{gallery.IGNORED_FOLDER.relative_to(repository).parts[0]}/" in ignored
