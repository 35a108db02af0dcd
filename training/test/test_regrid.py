"""Bundles on another grid: the same weights, the sizes of the new one, and who is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from starrygazer_training import cli
from starrygazer_training.export import CARD, Network, write_bundle
from starrygazer_training.half_precision import without_batch_norm
from starrygazer_training.refinement import Refinement
from starrygazer_training.regrid import load_refinement
from starrygazer_training.student import MULTIPLE, Student

from starrygazer_ros.completion import DepthCompleter, ModelBundle

CARD_TEXT = "# Model card: source 1.0\n\nTwo graphs.\n\n## What it learned from\n\nNothing.\n"


@pytest.fixture(scope="module")
def network() -> Refinement:
    torch.manual_seed(0)
    network = Refinement().eval()
    torch.nn.init.normal_(network.fine.weight, std=0.05)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # else its bias is 0 and left out of the graph
            torch.nn.init.normal_(module.running_mean, std=0.1)
    return network


@pytest.fixture(scope="module")
def source(network: Refinement, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained bundle on the grid that networks are trained on."""
    folder = tmp_path_factory.mktemp("regrid") / "source"
    mde = Network.mde(Student().eval(), MULTIPLE)
    write_bundle(folder, "source", "1.0", mde, 65536, Network.refinement(network), {"steps": 0})
    (folder / CARD).write_text(CARD_TEXT)
    return folder


@pytest.fixture(scope="module")
def coarse(source: Path) -> Path:
    folder = source.with_name("coarse")
    arguments = ["--cell", "3", "--mde-pixels", "20000", "--version", "2.0"]
    assert cli.main(["regrid", f"--bundle={source}", f"--output={folder}", *arguments]) == 0
    return folder


def test_the_new_bundle_has_the_grid_that_was_asked_for(source: Path, coarse: Path) -> None:
    old, new = ModelBundle.load(source), ModelBundle.load(coarse)
    assert (old.refinement.multiple, new.refinement.multiple) == (32, 48)
    assert (new.name, new.version, new.mde_pixels) == ("coarse", "2.0", 20000)
    assert new.mde.sha256 == old.mde.sha256
    assert DepthCompleter(new, "onnxruntime").self_check() == 0


def test_the_weights_stay_the_same(network: Refinement, coarse: Path) -> None:
    loaded = load_refinement(ModelBundle.load(coarse).refinement.path, cell=2).state_dict()
    for name, value in without_batch_norm(network).state_dict().items():
        torch.testing.assert_close(loaded[name], value)


def test_manifest_and_card_say_where_the_weights_come_from(source: Path, coarse: Path) -> None:
    sha256 = ModelBundle.load(source).refinement.sha256
    made_of = f"source 1.0, refinement sha256 {sha256}"
    manifest = yaml.safe_load((coarse / "manifest.yaml").read_text())
    assert manifest["training"] == {"steps": 0, "grid": {"cell": 3, "weights_of": made_of}}
    card = (coarse / CARD).read_text()
    assert card.startswith("# Model card: coarse 2.0\n\nTwo graphs.\n\n## What is different\n")
    assert made_of in card
    assert card.endswith("\n## What it learned from\n\nNothing.\n")


def test_a_graph_of_another_network_is_refused(source: Path) -> None:
    with pytest.raises(ValueError, match="only graphs of this package's refinement network"):
        load_refinement(source / "mde.onnx", cell=3)


def test_a_grid_without_cells_is_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["regrid", f"--bundle={source}", f"--output={tmp_path / 'new'}", "--cell=1"]
    assert cli.main(arguments) == 2
    assert "cell" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
