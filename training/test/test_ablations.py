"""Every variant of the ablations is trained, exported, scored and compared with its base."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from small_data import write_data, write_features, write_teacher
from starrygazer_training import ablations, cli, distillation, export
from starrygazer_training.config import Config, ConfigError, RefineConfig
from starrygazer_training.distillation import Distillation
from starrygazer_training.run_state import RunFiles

from starrygazer_ros.completion import DepthCompleter


def write_scores(folder: Path, rmse: dict[str, float], steps: int = 600) -> None:
    """What the benchmark writes, as far as the table reads it."""
    rows = [{"method": "nearest", "errors": {"rmse": 9.0}}]
    cases = [
        {"case": case, "rows": [*rows, {"method": "ours", "errors": {"rmse": value}}]}
        for case, value in rmse.items()
    ]
    folder.mkdir(parents=True)
    report = {"trained": {"steps": steps}, "cases": cases}
    (folder / "scores.json").write_text(json.dumps(report), encoding="utf-8")


def test_the_recipe_takes_every_change() -> None:
    names = [ablation.name for ablation in ablations.ABLATIONS]
    assert len(set(names)) == len(names)
    for ablation in ablations.ABLATIONS:
        changed = replace(RefineConfig(), **ablation.changes)
        assert (changed == RefineConfig()) == (ablation.name == "full")
        assert ablation.base in names


def test_the_table_compares_each_variant_with_its_base(tmp_path: Path) -> None:
    write_scores(tmp_path / "full", {"nyu, 5 points": 0.2, "nyu, 50 points": 0.1, "kitti": 2.0})
    write_scores(tmp_path / "photos", {"nyu, 5 points": 0.4, "nyu, 50 points": 0.1, "kitti": 2.0})
    write_scores(
        tmp_path / "no-segments", {"nyu, 5 points": 0.4, "nyu, 50 points": 0.1, "kitti": 1.0}
    )
    lines = ablations.table(tmp_path).splitlines()
    assert "after 600 steps" in lines[0]
    assert lines[2] == "| variant | against | nyu (2) | kitti (1) | all (3) |"
    # The mean of the logarithms of 2 and 1 is that of the root of 2; of three, the third root.
    assert lines[4].endswith("| `full` | +41.4% | +0.0% | +26.0% |")
    assert lines[5].endswith("| `photos` | +0.0% | -50.0% | -20.6% |")
    assert lines[6] == ""  # the others have no scores
    assert lines[9] == "| case | full | photos | no-segments |"
    assert lines[11] == "| nyu, 5 points | 0.200 | 0.400 | 0.400 |"
    assert len(lines) == 14


def test_variants_of_different_budgets_are_not_compared(tmp_path: Path) -> None:
    write_scores(tmp_path / "full", {"nyu": 0.2})
    write_scores(tmp_path / "photos", {"nyu": 0.2}, steps=1200)
    with pytest.raises(ConfigError, match="full 600, photos 1200"):
        ablations.table(tmp_path)


@pytest.mark.usefixtures("small_refinement")
def test_a_variant_is_trained_without_its_part_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "CHECKED_IMAGES", export.CHECKED_IMAGES[:1])  # test_export has all
    data, work = tmp_path / "data", tmp_path / "work"
    write_data(data)
    write_features(data, work / "cache")
    write_teacher(work)
    torch.manual_seed(0)
    save_file(Distillation().state_dict(), work / "student.safetensors")
    distillation.make_labels(data, work)
    recipe = replace(Config(), refine=RefineConfig(steps=2, renders=2))

    def evaluate(arguments: list[str]) -> int:
        return cli.main(["evaluate", "--only", "motorcycle, 4 lines", *arguments])

    ablations.run(recipe, data, work, False, evaluate, ["no-image"])
    folder = work / "ablations" / "no-image"
    completer = DepthCompleter.from_bundle(folder / "bundle")
    assert completer.self_check() < 0.01
    manifest = yaml.safe_load((folder / "bundle" / "manifest.yaml").read_text(encoding="utf-8"))
    assert manifest["training"]["recipe"]["refinement"]["image"] is False
    report = (work / "ablations" / ablations.REPORT).read_text(encoding="utf-8")
    assert "| case | no-image |" in report
    assert "| motorcycle, 4 lines | " in report
    # Finished variants are not made again, and not mixed with another student.
    weights = RunFiles(folder, "refinement").result
    before = weights.stat().st_mtime_ns
    ablations.run(recipe, data, work, False, pytest.fail, ["no-image"])
    assert weights.stat().st_mtime_ns == before
    save_file(Distillation().state_dict(), work / "student.safetensors")
    with pytest.raises(ConfigError, match="began with another teacher or student"):
        ablations.run(recipe, data, work, False, pytest.fail, ["no-image"])


def test_with_the_mde_of_a_bundle_no_network_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    monkeypatch.setattr(
        ablations.stages, "refine", lambda config, data, work, force: trained.append(work.name)
    )
    monkeypatch.setattr(ablations, "_trained", lambda folder: {"steps": 1})
    for ablation in ablations.ABLATIONS:
        write_scores(tmp_path / "ablations" / ablation.name, {"nyu": 0.2}, steps=1)
    recipe = replace(Config(), refine=RefineConfig(mde="default"))
    ablations.run(recipe, tmp_path, tmp_path, False, pytest.fail)
    assert trained == [a.name for a in ablations.ABLATIONS if a.name != "teacher"]
    with pytest.raises(FileNotFoundError, match=r"teacher\.safetensors is missing"):
        ablations.run(recipe, tmp_path, tmp_path, False, pytest.fail, ["teacher"])


def test_without_scores_there_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no variant is scored in .*: run"):
        ablations.table(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"trained": {"steps": 1}}'])
def test_damaged_scores_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "scores.json").write_text(content)
    with pytest.raises(ConfigError, match=r"full/scores\.json .*: delete it"):
        ablations.table(tmp_path)


def test_a_file_is_no_work_folder(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("")
    with pytest.raises(ConfigError, match="work is a file: give another folder"):
        ablations.run(Config(), tmp_path, tmp_path / "work", False, pytest.fail)


def test_an_unknown_variant_is_refused_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no variant no-segment: choose of full, seed, photos"):
        ablations.run(Config(), tmp_path, tmp_path, False, pytest.fail, ["no-segment"])


def test_ablations_need_the_networks_before_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run starrygazer-train mde first"):
        ablations.run(Config(), tmp_path, tmp_path / "work", False, pytest.fail)
