"""The command line: every stage on a drawn data folder, and what it says about mistakes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from small_data import FRAMES, PHOTOS, write_data, write_features
from starrygazer_training import cli
from starrygazer_training.config import Config, load
from starrygazer_training.run_state import NETWORKS, RunFiles
from starrygazer_training.stages import CACHES, _begins

from starrygazer_ros.completion import DepthCompleter

# The backbone that the teacher needs for renders is not there in tests.
QUICK = [
    *("--teacher.steps=2", "--teacher.renders=0", "--teacher.render_share=0"),
    *("--teacher.trunk_steps=2", "--teacher.trunk_batch=2"),
    *("--student.steps=2", "--student.renders=2"),
    *("--refine.steps=2", "--refine.renders=2"),
]
ONE_CHUNK = ["--teacher.chunks=1", "--student.chunks=1"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Data, work and bundle folder after ``starrygazer-train all``."""
    root = tmp_path_factory.mktemp("cli")
    write_data(root / "data")
    write_features(root / "data", root / "work" / "cache")
    sizes = ["--teacher.batch=2", "--student.batch=2", *ONE_CHUNK]
    assert cli.main(["all", *places(root), "--version=0.3.0", *QUICK, *sizes]) == 0
    return root / "data", root / "work", root / "tiny"


def places(root: Path) -> list[str]:
    return [f"--data={root / 'data'}", f"--work={root / 'work'}", f"--output={root / 'tiny'}"]


@pytest.fixture(scope="module")
def scores(folders: tuple[Path, Path, Path]) -> Path:
    """What ``evaluate`` says about the bundle on a scene of the benchmark."""
    _, work, bundle = folders
    report = work / "scores.json"
    places = [f"--bundle={bundle}", f"--data={work}", f"--json={report}"]
    assert cli.main(["evaluate", "--only", "motorcycle, 4 lines", *places]) == 0
    return report


def test_all_makes_a_bundle_that_runs(folders: tuple[Path, Path, Path]) -> None:
    _, work, bundle = folders
    assert DepthCompleter.from_bundle(bundle).self_check() < 0.01
    for name in NETWORKS:
        assert RunFiles(work, name).result.exists()
        assert load(work / f"{name}.config.yaml").refine.steps == 2
    manifest = yaml.safe_load((bundle / "manifest.yaml").read_text())
    assert manifest["version"] == "0.3.0"
    assert manifest["training"]["recipe"]["student"]["steps"] == 2
    assert (work / "tensorboard" / "student").is_dir()


def test_the_card_tells_what_the_runs_recorded(
    folders: tuple[Path, Path, Path], scores: Path
) -> None:
    _, work, bundle = folders
    arguments = ["card", f"--work={work}", f"--output={bundle}", "--licences.photos=drawn"]
    assert cli.main([*arguments, f"--scores={scores}"]) == 0
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# Model card: tiny 0.3.0\n")
    assert f"| student | photos | {PHOTOS - 1} | drawn |" in card
    assert f"| refinement | photos | {PHOTOS} | drawn |" in card
    assert "| refinement | renders | 2 | rendered by the training itself" in card
    assert f"| teacher | seven_scenes_redkitchen | {FRAMES - 1} | not stated |" in card
    (case,) = json.loads(scores.read_text())["cases"]
    ours = next(row for row in case["rows"] if row["method"] == "ours")
    rmse, mae = ours["errors"]["rmse"], ours["errors"]["mae"]
    assert f"| motorcycle, 4 lines (1) | {rmse:.3f} / {mae:.3f} | " in card
    assert f"| {ours['sparsification']['ause_rmse']:.3f} | " in card
    record = RunFiles(work, "student").read_record()
    assert record is not None
    assert f"| {record['loss']:.4f} |" in card
    recipe = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert recipe["refine"]["steps"] == 2
    # The manifest must know the new card, or the bundle would be refused as damaged.
    assert DepthCompleter.from_bundle(bundle).self_check() < 0.01


@pytest.mark.usefixtures("small_refinement")  # from here on: folders has the real one
def test_photographs_and_the_mde_of_a_bundle_are_enough(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    data, _, tiny = folders
    shutil.copytree(data / "photos", tmp_path / "data" / "photos")
    own = ["--version=1.0.0", f"--refine.mde={tiny}", *QUICK]
    assert cli.main(["all", *places(tmp_path), *own]) == 0
    bundle = tmp_path / "tiny"
    assert (bundle / "mde.onnx").read_bytes() == (tiny / "mde.onnx").read_bytes()
    assert DepthCompleter.from_bundle(bundle).self_check() < 0.01
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "`mde.onnx`: taken as it is from bundle tiny 0.3.0, sha256 " in card
    assert f"| refinement | photos | {PHOTOS} | not stated |" in card
    assert "teacher" not in card.split("## How it was trained")[0]


def test_what_must_be_trained_before_is_asked_for_before_any_work(
    folders: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["refine", f"--data={folders[0]}", f"--work={tmp_path}", *QUICK]
    assert cli.main(arguments) == 2
    assert "teacher.safetensors is missing: run starrygazer-train mde first" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "cache").exists()


def test_a_missing_data_folder_or_option_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data, part in (
        (tmp_path / "nowhere", f"there is no data folder {tmp_path / 'nowhere'}"),
        (tmp_path, f"no photographs (.jpeg, .jpg, .png) in {tmp_path / 'photos'}"),
    ):
        assert cli.main(["mde", f"--data={data}", f"--work={tmp_path / 'work'}"]) == 2
        assert part in capsys.readouterr().err
    assert cli.main(["mde"]) == 2
    assert "required: --data, --work" in capsys.readouterr().err


def test_runs_without_records_are_said_to_have_none(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    _, work, bundle = folders
    for name in NETWORKS:
        shutil.copy(RunFiles(work, name).result, tmp_path)
    assert cli.main(["card", f"--work={tmp_path}", f"--output={bundle}"]) == 0
    assert "| student | not recorded |" in (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_bundle_of_another_work_folder_is_refused(
    folders: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, work, bundle = folders
    for name in NETWORKS:
        shutil.copy(RunFiles(work, name).result, tmp_path)
    (tmp_path / "student.safetensors").write_bytes(b"retrained")
    assert cli.main(["card", f"--work={tmp_path}", f"--output={bundle}"]) == 2
    assert "student.safetensors: run export again" in capsys.readouterr().err


def test_scores_of_another_bundle_are_refused(
    folders: tuple[Path, Path, Path],
    scores: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, work, bundle = folders
    report = tmp_path / "other.json"
    report.write_text(scores.read_text().replace('"0.3.0"', '"0.1.0"'))
    arguments = ["card", f"--work={work}", f"--output={bundle}", f"--scores={report}"]
    assert cli.main(arguments) == 2
    assert "has the scores of tiny 0.1.0, the bundle is tiny 0.3.0" in capsys.readouterr().err


def test_finished_networks_are_kept(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, work, _ = folders
    before = RunFiles(work, "student").result.stat().st_mtime_ns
    sizes = ["--teacher.batch=2", "--student.batch=2", *ONE_CHUNK]
    assert cli.main(["mde", f"--data={data}", f"--work={work}", *QUICK, *sizes]) == 0
    assert RunFiles(work, "student").result.stat().st_mtime_ns == before
    assert "student.safetensors is there, skipped" in capsys.readouterr().out


def test_a_network_that_is_trained_again_drops_the_caches_of_the_old_one(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    for name, cache in CACHES.items():
        (tmp_path / "cache" / cache).mkdir(parents=True)
        assert (folders[1] / "cache" / cache).is_dir()  # the name that the stages use
        assert _begins(name, Config(), Config().teacher, tmp_path, force=False)
        assert not (tmp_path / "cache" / cache).exists()


def test_another_recipe_does_not_pass_for_the_finished_one(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, work, _ = folders
    arguments = ["mde", f"--data={data}", f"--work={work}", *QUICK, "--teacher.batch=2", *ONE_CHUNK]
    assert cli.main(arguments) == 2
    assert "(batch 2 → 8)" in capsys.readouterr().err
    assert cli.main([*arguments, "--force-resume"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], 'expected "command" to be one of {mde,pairs'),
        (["refined"], "invalid choice: 'refined'"),
        (["mde", "--work=w"], "required: --data"),
        (["mde", "--data=d", "--work=w", "--student.step=1"], "--student.step"),
        (["mde", "--data=d", "--work=w", "--student.steps=0"], "student.steps is 0"),
        (["mde", "--data=d", "--work=w", "--student.steps=few"], "student.steps"),
        (["mde", "--data=d", "--work=w", "--threads=0"], "threads"),
        (["pairs", "--data=absent", "--work=w"], "is missing: run starrygazer-train mde first"),
        (["card", "--work=w", "--output=absent"], "run starrygazer-train export first"),
    ],
)
def test_a_mistake_gives_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("starrygazer-train: ")
    assert message in said
    assert said.count("\n") == 1


def test_evaluate_passes_its_arguments_on(monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy = ModuleType("benchmarks.accuracy")
    received = []
    accuracy.main = lambda arguments: received.append(arguments) or 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "benchmarks.accuracy", accuracy)
    assert cli.main(["evaluate", "--bundle", "x", "--limit", "2"]) == 7
    assert received == [["--bundle", "x", "--limit", "2"]]


def test_evaluate_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks.accuracy", None)
    assert cli.main(["evaluate"]) == 2
    assert "evaluate needs benchmarks/ of the repository" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for command in (*cli.STAGES, "evaluate"):
        assert command in said
