"""Bundles on another grid: the same weights, the sizes of the new one, and who is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from starrygazer_training import cli, regrid
from starrygazer_training.export import CARD
from starrygazer_training.graph_weights import load_refinement
from starrygazer_training.refinement import Refinement

from starrygazer_ros.completion import ModelBundle

SOURCE = "default"  # its refinement is one that this package has exported


@pytest.fixture
def made() -> dict[str, Any]:
    """What was to be exported."""
    return {}


@pytest.fixture
def coarse(tmp_path: Path, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle on another grid, without the minutes of the export, which test_export.py tests."""

    def write_bundle(folder: Path, **given: Any) -> None:
        made.update(given)
        folder.mkdir()
        manifest = {"training": given["training"], "files": {}}
        (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))

    monkeypatch.setattr(regrid, "write_bundle", write_bundle)
    folder = tmp_path / "coarse"
    arguments = ["--cell", "4", "--mde-pixels", "20000", "--version", "2.0"]
    assert cli.main(["regrid", f"--bundle={SOURCE}", f"--output={folder}", *arguments]) == 0
    return folder


@pytest.mark.usefixtures("coarse")
def test_the_new_bundle_has_the_grid_that_was_asked_for(made: dict[str, Any]) -> None:
    assert (made["name"], made["version"], made["mde_pixels"]) == ("coarse", "2.0", 20000)
    assert made["refinement"].multiple == 64
    assert made["mde"].given == ModelBundle.load(SOURCE).mde


@pytest.mark.usefixtures("coarse")
def test_the_weights_stay_the_same(made: dict[str, Any]) -> None:
    old = load_refinement(ModelBundle.load(SOURCE).refinement.path, Refinement(cell=2)).state_dict()
    new = made["refinement"].model.state_dict()
    assert old.keys() == new.keys()
    for name, value in old.items():
        torch.testing.assert_close(new[name], value, rtol=0, atol=0)


def test_manifest_and_card_say_where_the_weights_come_from(coarse: Path) -> None:
    source = ModelBundle.load(SOURCE)
    made_of = f"default {source.version}, refinement sha256 {source.refinement.sha256}"
    manifest = yaml.safe_load((coarse / "manifest.yaml").read_text())
    assert manifest["training"]["grid"] == {"cell": 4, "weights_of": made_of}
    card = (coarse / CARD).read_text()
    assert card.startswith("# Model card: coarse 2.0\n")
    assert card.count("## What is different\n") == 1
    assert made_of in card
    assert "## What it learned from\n" in card


def test_a_graph_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="only graphs of this package's refinement network"):
        load_refinement(ModelBundle.load(SOURCE).mde.path, Refinement(cell=3))


@pytest.mark.parametrize("cell", [1, 8])
def test_a_grid_that_the_golden_input_does_not_fit_is_refused(
    cell: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["regrid", f"--bundle={SOURCE}", f"--output={tmp_path / 'new'}", f"--cell={cell}"]
    assert cli.main(arguments) == 2
    assert "cell" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
