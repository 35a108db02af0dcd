"""The configuration: one shipped recipe, overrides, and one clear line for every mistake."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from starrygazer_training.config import (
    Config,
    ConfigError,
    RefineConfig,
    TeacherConfig,
    differences,
    load,
    save,
)

FOLDER = Path(__file__).parents[1] / "config"


def test_the_shipped_file_spells_out_the_defaults() -> None:
    path = FOLDER / "default.yaml"
    shipped = load(path)
    assert set(shipped.licences) > set(Config().licences)  # those of the data it was made for
    assert replace(shipped, licences={}) == replace(Config(), licences={})
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    defaults = yaml.safe_load(yaml.safe_dump(asdict(Config())))  # tuples as YAML knows them
    assert {**written, "licences": {}} == {**defaults, "licences": {}}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_file_can_be_read(path: Path) -> None:
    load(path)


def test_a_saved_configuration_comes_back(tmp_path: Path) -> None:
    config = Config(refine=RefineConfig(steps=7, seed=3), licences={"photos": "mine"})
    save(config, tmp_path / "run" / "config.yaml")
    assert load(tmp_path / "run" / "config.yaml") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("refine: {stesp: 5}", "'stesp'"),
        ("refin: {steps: 5}", "refin"),
        ("refine: {steps: five}", "refine.steps"),
        ("refine: {steps: 1.5}", "refine.steps"),
        ("refine: {steps: true}", "refine.steps"),
        ("refine: {steps: 0}", "refine.steps is 0, it must be from 1 to"),
        ("student: {learning_rate: -1}", "student.learning_rate is -1"),
        ("student: {learning_rate: .nan}", "student.learning_rate is nan"),
        ("teacher: {chunks: 3}", "teacher.chunks is 3, which does not divide batch 8"),
        ("teacher: {trunk_batch: 9}", "teacher.chunks is 2, which does not divide trunk_batch 9"),
        ("refine: {cells: [1, 3]}", "refine.cells is [1, 3], it must hold numbers from 2 to 6"),
        ("refine: {cells: [3, 7]}", "refine.cells is [3, 7], it must hold numbers from 2 to 6"),
        ("refine: {cells: []}", "refine.cells is []"),
        ("refine: 5", "refine is 5, it must hold keys and values"),
        ("refine: [5", "parsing"),
    ],
)
def test_a_mistake_gives_one_line_that_names_the_key(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load(tmp_path / "absent.yaml")


def test_only_what_changes_the_weights_is_part_of_the_identity() -> None:
    assert TeacherConfig(loader_threads=4, checkpoint_seconds=1.0).sha256 == TeacherConfig().sha256
    assert TeacherConfig(feature_dropout=0.1).sha256 != TeacherConfig().sha256
    assert TeacherConfig(seed=1).sha256 != TeacherConfig().sha256
    assert RefineConfig(start="default").sha256 != RefineConfig().sha256
    assert RefineConfig(cells=(3, 4)).sha256 != RefineConfig().sha256


def test_runs_from_before_there_were_starts_and_cells_can_be_continued() -> None:
    assert {"start", "cells"}.isdisjoint(RefineConfig().identity)


def test_differences_name_keys_with_both_values() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == "b 2 → 3, c absent → 4"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes("licences: {photos: frei für alle}".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"recipe\.yaml is no YAML text in UTF-8"):
        load(path)
