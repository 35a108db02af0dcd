"""A refinement that begins with the weights of a bundle, on cells of several sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_data import write_data
from starrygazer_training import cli, stages
from starrygazer_training.export import Network
from starrygazer_training.graph_weights import load_refinement
from starrygazer_training.pair_sources import Pair, whole_cells
from starrygazer_training.refinement import Refinement

from starrygazer_ros.completion import ModelBundle

SOURCE = "default"
STEPS = 3  # of two chunks each


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that is over."""
    folder = tmp_path_factory.mktemp("further")
    write_data(folder / "data")
    arguments = [
        *("refine", f"--data={folder / 'data'}", f"--work={folder / 'work'}"),
        *(f"--refine.mde={SOURCE}", f"--refine.start={SOURCE}", "--refine.cells=[2, 3]"),
        *("--refine.crop_rows=96", "--refine.crop_columns=128", "--refine.renders=2"),
        *(f"--refine.steps={STEPS}", "--refine.batch=4", "--refine.learning_rate=1e-6"),
        "--refine.validations=1",
    ]
    assert cli.main(arguments) == 0
    return folder / "work"


def test_little_training_leaves_weights_near_those_of_the_bundle(work: Path) -> None:
    source = load_refinement(ModelBundle.load(SOURCE).refinement.path, Refinement()).state_dict()
    trained = load_file(work / "refinement.safetensors")
    assert trained.keys() == source.keys()
    changes = [float((trained[name] - source[name]).abs().max()) for name in source]
    assert 0 < max(changes) < 1e-4


def test_the_record_names_where_it_began(work: Path) -> None:
    recipe = json.loads((work / "refinement.run.json").read_text())["config"]
    assert (recipe["start"], recipe["cells"]) == (SOURCE, [2, 3])


def test_it_can_be_exported(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Network] = {}
    monkeypatch.setattr(stages, "write_bundle", lambda folder, **what: given.update(what))
    arguments = ["export", f"--work={work}", f"--output={tmp_path / 'x'}", "--cell=4"]
    assert cli.main(arguments) == 0
    refinement = given["refinement"].model
    assert given["refinement"].multiple == 64
    trained = load_file(work / "refinement.safetensors")
    for name, value in refinement.state_dict().items():
        torch.testing.assert_close(value, trained[name], rtol=0, atol=0)


def test_a_batch_loses_what_does_not_fill_a_cell() -> None:
    image = torch.rand(2, 3, 96, 128)
    batch = Pair(image, *(torch.rand(2, 1, 96, 128) for _ in range(4)))
    cut = whole_cells(batch, 48)
    assert cut.image.shape == (2, 3, 96, 96)
    assert cut.known.shape == (2, 1, 96, 96)
    torch.testing.assert_close(cut.image, image[..., :96], rtol=0, atol=0)
