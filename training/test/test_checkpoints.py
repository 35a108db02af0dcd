"""An interrupted training continues as if nothing had happened."""

from __future__ import annotations

import json
import logging
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from starrygazer_training.checkpoints import TrainingRun, load_weights
from starrygazer_training.config import ConfigError, RunConfig
from starrygazer_training.run_log import Validation
from starrygazer_training.run_state import (
    ChangedConfigError,
    DamagedFileError,
    RunFiles,
    adopt_checkpoint,
    is_finished,
    write_atomically,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

CONFIG = RunConfig(steps=40, batch=2, learning_rate=1e-2, validations=4, checkpoint_seconds=0.0)


class InterruptedTrainingError(Exception):
    pass


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


def draw(rng: random.Random) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.getrandbits(31))
    return torch.rand(2, 1, 8, 8, generator=generator)


def validate(model: nn.Module) -> Validation:
    return Validation({"figure": 1.0}, {"picture": np.full((4, 6, 3), 90, np.uint8)})


def run(work: Path, interrupt_at: int | None = None, config: RunConfig = CONFIG) -> TrainingRun:
    training = TrainingRun("tiny", work, network(), config, data={"photos": 7})

    def loss_of(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if training.done == interrupt_at:
            raise InterruptedTrainingError
        return (model(x) - 3 * x).float().square().mean()

    training.fit(draw, loss_of, validate)
    return training


def interrupt(work: Path, step: int) -> RunFiles:
    with pytest.raises(InterruptedTrainingError):
        run(work, interrupt_at=step)
    return RunFiles(work, "tiny")


def steps(work: Path) -> list[float]:
    return [line["step"] for line in RunFiles(work, "tiny").read_log()]


@pytest.mark.parametrize("loader_threads", [1, 3])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path, loader_threads: int) -> None:
    whole = run(tmp_path / "whole")
    interrupt(tmp_path / "parts", 17)
    resumed = run(tmp_path / "parts", config=replace(CONFIG, loader_threads=loader_threads))
    assert resumed.result.read_bytes() == whole.result.read_bytes()
    assert resumed.running_loss == whole.running_loss
    logs = [(tmp_path / w / "tiny.jsonl").read_text() for w in ("whole", "parts")]
    assert logs[0] == logs[1]


def test_a_resumed_run_repeats_no_line_of_the_log(tmp_path: Path) -> None:
    seldom = replace(CONFIG, checkpoint_seconds=3600.0)
    files = interrupt(tmp_path, 5)  # the checkpoint is of step 5
    with pytest.raises(InterruptedTrainingError):
        run(tmp_path, interrupt_at=25, config=seldom)
    assert steps(tmp_path) == [10, 20]
    run(tmp_path, config=seldom)
    assert steps(tmp_path) == [10, 20, 30, 40]
    assert not files.checkpoint.exists()


def test_training_lowers_the_loss_and_logs_each_validation(tmp_path: Path) -> None:
    training = run(tmp_path)
    lines = [json.loads(s) for s in (tmp_path / "tiny.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["figure"] == 1.0
    loaded = load_weights(network(), training.result)
    assert not loaded.training


def test_tensorboard_gets_scalars_and_pictures(tmp_path: Path) -> None:
    run(tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "tiny"))
    events.Reload()
    assert [e.step for e in events.Scalars("training/loss")] == [10, 20, 30, 40]
    assert {e.value for e in events.Scalars("validation/figure")} == {1.0}
    picture = events.Images("picture")[-1]
    assert (picture.width, picture.height) == (6, 4)


def test_the_record_tells_how_the_weights_were_made(tmp_path: Path) -> None:
    training = run(tmp_path)
    record = RunFiles(tmp_path, "tiny").read_record()
    assert record is not None
    assert record["config"] == CONFIG.identity
    assert record["config_sha256"] == CONFIG.sha256
    assert record["data"] == {"photos": 7}
    assert record["loss"] == training.running_loss
    assert record["parameters"] == sum(p.numel() for p in network().parameters())
    assert record["seconds"] >= 0


def test_another_configuration_is_refused_by_name(tmp_path: Path) -> None:
    interrupt(tmp_path, 17)
    with pytest.raises(ChangedConfigError, match=r"steps 40 → 50.*--force-resume"):
        run(tmp_path, config=replace(CONFIG, steps=50))


def test_an_adopted_checkpoint_continues_with_another_configuration(tmp_path: Path) -> None:
    longer = replace(CONFIG, steps=50)
    files = interrupt(tmp_path, 17)
    adopt_checkpoint(files, longer)
    assert run(tmp_path, config=longer).done == 50
    assert is_finished(files, longer)


def test_a_finished_run_of_another_configuration_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    files = RunFiles(tmp_path, "tiny")
    assert is_finished(files, replace(CONFIG, loader_threads=2))
    with pytest.raises(ChangedConfigError, match="seed 0 → 1"):
        is_finished(files, replace(CONFIG, seed=1))
    assert is_finished(files, replace(CONFIG, seed=1), force=True)


def test_a_checkpoint_of_an_older_version_is_refused(tmp_path: Path) -> None:
    files = interrupt(tmp_path, 3)
    with safe_open(files.checkpoint, "pt") as file:
        assert set(file.metadata()) == {"progress"}
    save_file(load_file(files.checkpoint), files.checkpoint, metadata={"step": "3"})
    with pytest.raises(ChangedConfigError, match="older version"):
        run(tmp_path)


def test_a_diverging_training_stops(tmp_path: Path) -> None:
    training = TrainingRun("tiny", tmp_path, network(), CONFIG)

    def loss_of(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return model(x).sum() * float("inf")

    with pytest.raises(FloatingPointError, match="diverged"):
        training.fit(draw, loss_of, validate)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, None)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run the training stage"):
        load_weights(network(), tmp_path / "teacher.safetensors")


def test_a_checkpoint_that_is_cut_short_is_named(tmp_path: Path) -> None:
    files = interrupt(tmp_path, 3)
    whole = files.checkpoint.read_bytes()
    for content in (whole[:-100], whole[:50], b""):
        files.checkpoint.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"tiny\.checkpoint\.safetensors .*delete it"):
            run(tmp_path)


@pytest.mark.parametrize("progress", ["{", "{}", "[]"])
def test_a_checkpoint_without_its_progress_is_named(tmp_path: Path, progress: str) -> None:
    files = interrupt(tmp_path, 3)
    save_file(load_file(files.checkpoint), files.checkpoint, metadata={"progress": progress})
    with pytest.raises(DamagedFileError, match=r"tiny\.checkpoint\.safetensors is damaged"):
        run(tmp_path)


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    files = interrupt(tmp_path, 3)
    with safe_open(files.checkpoint, "pt") as file:
        metadata = file.metadata()
    tensors = {k: v for k, v in load_file(files.checkpoint).items() if k != "model.0.weight"}
    save_file(tensors, files.checkpoint, metadata=metadata)
    with pytest.raises(DamagedFileError, match=r"does not fit the network .*0\.weight.*delete"):
        run(tmp_path)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    path = run(tmp_path).result
    with pytest.raises(DamagedFileError, match="does not fit the network"):
        load_weights(nn.Linear(2, 2), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedFileError, match=r"tiny\.safetensors is damaged .*train this"):
        load_weights(network(), path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"config": {}}', "\xff"])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    run(tmp_path)
    files = RunFiles(tmp_path, "tiny")
    files.record.write_bytes(content.encode("latin-1"))
    with pytest.raises(DamagedFileError, match=r"tiny\.run\.json .*delete it"):
        is_finished(files, CONFIG)


@pytest.mark.parametrize("half", ['{"step": 20, "lo', "{}", "\x00\x00", "\xff"])
def test_a_half_line_at_the_end_of_the_log_does_not_stop_a_run(
    tmp_path: Path, half: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = interrupt(tmp_path, 15)
    with files.log.open("ab") as log:
        log.write(half.encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        run(tmp_path)
    assert steps(tmp_path) == [10, 20, 30, 40]
    assert "tiny.jsonl: the last line is cut short" in caplog.text


def test_a_broken_line_within_the_log_is_named(tmp_path: Path) -> None:
    files = interrupt(tmp_path, 25)
    lines = files.log.read_text().splitlines()
    files.log.write_text("\n".join([lines[0][:9], *lines[1:]]))
    with pytest.raises(DamagedFileError, match=r"tiny\.jsonl is damaged in line 1 .*delete"):
        run(tmp_path)


def test_a_file_is_no_work_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for work in (file, file / "work"):
        with pytest.raises(ConfigError, match=f"{file} is a file: give another folder for --work"):
            RunFiles(work, "tiny")
    assert RunFiles(tmp_path / "new" / "work", "tiny").read_record() is None
