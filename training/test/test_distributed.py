"""Several processes compute what one process computes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_training import STEPS, config, network, run
from starrygazer_training.config import ConfigError
from starrygazer_training.distributed import BatchNormStatistics, average_, is_first, processes

SCRIPT = Path(__file__).with_name("small_training.py")
TWO_PROCESSES = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def train(work: Path, chunks: int, launcher: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run the small training in processes of its own; exit code and what it said."""
    command = [sys.executable, *launcher, str(SCRIPT), str(work), str(chunks)]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return outcome.returncode, outcome.stderr


@pytest.mark.parametrize("chunks", [2, 4])
def test_two_gloo_processes_train_like_one(tmp_path: Path, chunks: int) -> None:
    for name, launcher in (("one", ()), ("two", TWO_PROCESSES)):
        code, errors = train(tmp_path / name, chunks, launcher)
        assert code == 0, errors
    logs = [
        [json.loads(line) for line in (tmp_path / w / "small.jsonl").read_text().splitlines()]
        for w in ("one", "two")
    ]
    assert len(logs[0]) == len(logs[1]) == STEPS
    for one, two in zip(*logs, strict=True):
        assert two == pytest.approx(one, abs=1.1e-4)  # the log rounds to four digits
    one, two = (load_file(tmp_path / w / "small.safetensors") for w in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-5, atol=1e-6)


def test_processes_that_cannot_share_a_batch_evenly_are_refused(tmp_path: Path) -> None:
    code, errors = train(tmp_path, 1, TWO_PROCESSES)
    assert code != 0
    assert "1 chunks cannot be shared evenly by 2 processes" in errors


def test_chunks_change_the_batch_norm_and_not_the_mean_gradient(tmp_path: Path) -> None:
    whole = load_file(run(tmp_path / "1", config(1, steps=3)).result)
    chunked = load_file(run(tmp_path / "4", config(4, steps=3)).result)
    assert int(chunked["1.num_batches_tracked"]) == int(whole["1.num_batches_tracked"])
    assert not torch.equal(chunked["1.running_var"], whole["1.running_var"])


def test_running_statistics_are_the_mean_over_chunks() -> None:
    model = network().train()
    chunks = [torch.randn(2, 1, 8, 8) + shift for shift in (0, 5)]
    statistics = BatchNormStatistics(model, chunks=2)
    singles = []
    for chunk in chunks:
        statistics.before_chunk()
        model(chunk)
        singles.append(model[1].running_mean.clone())
        statistics.after_chunk(2)
    statistics.apply()
    torch.testing.assert_close(model[1].running_mean, sum(singles) / 2)


def test_one_process_needs_no_group() -> None:
    tensor = torch.ones(3)
    average_([tensor])
    assert processes() == 1
    assert is_first()
    assert torch.equal(tensor, torch.ones(3))


def test_a_batch_must_split_into_its_chunks() -> None:
    with pytest.raises(ConfigError, match="does not divide batch 8"):
        config(chunks=3)
