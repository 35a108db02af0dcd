"""An interrupted training continues as if nothing had happened."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from starrygazer_training import checkpoints
from starrygazer_training.checkpoints import TrainingRun, load_weights
from torch import nn


class InterruptedTrainingError(Exception):
    pass


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


def draw(rng: random.Random) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.getrandbits(31))
    return torch.rand(2, 1, 8, 8, generator=generator)


def run(work: Path, interrupt_at: int | None = None) -> TrainingRun:
    training = TrainingRun("tiny", work, network(), steps=40, learning_rate=1e-2, validations=4)

    def loss_of(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if training.done == interrupt_at:
            raise InterruptedTrainingError
        return (model(x) - 3 * x).float().square().mean()

    training.fit(draw, loss_of, lambda model: {"figure": 1.0})
    return training


def test_a_resumed_run_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_file(run(tmp_path / "whole").result)
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SECONDS", -1.0)  # after every step
    with pytest.raises(InterruptedTrainingError):
        run(tmp_path / "parts", interrupt_at=17)
    resumed = load_file(run(tmp_path / "parts").result)
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0, atol=0)


def test_training_lowers_the_loss_and_logs_each_validation(tmp_path: Path) -> None:
    training = run(tmp_path)
    lines = [json.loads(s) for s in (tmp_path / "tiny.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["figure"] == 1.0
    loaded = load_weights(network(), training.result)
    assert not loaded.training


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the training stage"):
        load_weights(network(), tmp_path / "teacher.safetensors")
