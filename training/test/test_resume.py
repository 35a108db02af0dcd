"""A training that is killed, and killed again, ends with the weights of one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_data import write_data, write_features, write_teacher
from starrygazer_training.run_state import RunFiles, load_checkpoint

STEPS = 10


def command(root: Path, work: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "starrygazer_training", "mde"),
        *(f"--data={root}", f"--work={work}", "--threads=1"),
        *(f"--student.steps={STEPS}", "--student.batch=2", "--student.renders=2"),
        "--student.chunks=1",
        "--student.checkpoint_seconds=0",
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_data(tmp_path / "data")
    return tmp_path / "data"


def prepare(root: Path, work: Path) -> RunFiles:
    write_features(root, work / "cache")
    write_teacher(work)
    return RunFiles(work, "student")


def kill_at(step: int, arguments: list[str], files: RunFiles) -> int:
    """Start a training, kill it once it has a checkpoint of ``step``; the checkpoint's step."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(30_000):  # ten minutes, for busy machines
            if process.poll() is not None:
                pytest.fail(f"ended by itself: {process.communicate()[1].decode()}")
            if files.checkpoint.exists() and load_checkpoint(files.checkpoint)[0].step >= step:
                break
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    return load_checkpoint(files.checkpoint)[0].step


def test_killed_trainings_end_with_identical_weights(data: Path, tmp_path: Path) -> None:
    whole = prepare(data, tmp_path / "whole")
    subprocess.run(command(data, whole.work), check=True, capture_output=True)

    killed = prepare(data, tmp_path / "killed")
    first = kill_at(3, command(data, killed.work), killed)
    second = kill_at(first + 2, command(data, killed.work), killed)
    assert 3 <= first < second < STEPS
    assert not killed.result.exists()
    subprocess.run(command(data, killed.work), check=True, capture_output=True)

    assert killed.result.read_bytes() == whole.result.read_bytes()
    assert killed.log.read_text() == whole.log.read_text()
    assert not killed.checkpoint.exists()
