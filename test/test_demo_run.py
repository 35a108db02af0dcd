from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the demo needs requirements/demo.txt")
pytest.importorskip("skimage", reason="the demo needs requirements/demo.txt")
from tqdm import tqdm

from demo import __main__ as program
from demo import run as running
from demo.exchange import Exchange
from demo.run import DemoStalledError, Run


class Player:
    """A player that ends after some seconds, and whose frames are completed at given times."""

    returncode = 0

    def __init__(self, exchange: Exchange, ends: float, completed: list[float]) -> None:
        self._exchange, self._start = exchange, time.monotonic()
        self._ends, self._completed = ends, completed

    def poll(self) -> int | None:
        now = time.monotonic() - self._start
        while self._completed and now > self._completed[0]:
            stamp = round(self._completed.pop(0) * 1e9)
            self._exchange.add_depth(stamp, np.ones((2, 3), np.float32))
        return 0 if now > self._ends else None


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in a hurry: the first frame may take 1.2 s, each other one 0.8 s."""
    monkeypatch.setattr(running, "STALLED", 0.8)
    monkeypatch.setattr(running, "LOADING", 0.4)
    return Run(Exchange(tmp_path), 10, "default", tmp_path)


def watch(run: Run, ends: float, completed: list[float]) -> float:
    start = time.monotonic()
    player: Any = Player(run.exchange, ends, completed)
    run._watch(player, {}, tqdm(disable=True))
    return time.monotonic() - start


def test_a_slow_machine_that_completes_frames_is_waited_for(run: Run) -> None:
    assert watch(run, 2.4, [0.6, 1.2, 1.8]) > 2.3


@pytest.mark.parametrize(("completed", "after"), [([], 1.2), ([0.3], 1.1)])
def test_a_stall_is_ended_and_explained(run: Run, completed: list[float], after: float) -> None:
    start = time.monotonic()
    with pytest.raises(DemoStalledError, match="busy or slow") as error:
        watch(run, 60, completed)
    assert after <= time.monotonic() - start < after + 2
    assert "--frames 10" in str(error.value)
    assert str(run.logs / "node.log") in str(error.value)


@pytest.mark.parametrize(
    ("end", "code"), [(None, 0), (DemoStalledError("no frame"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_run_that_is_cut_short_says_how_much_is_reported(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: BaseException | None,
    code: int,
) -> None:
    def play(self: Run) -> None:
        self.exchange.add_depth(1, np.ones((2, 3), np.float32))
        if end is not None:
            raise end

    monkeypatch.setattr(Run, "play", play)

    assert program._play(run) == code
    assert ("The report is about 1 of 10 frames." in capsys.readouterr().err) == bool(code)


def test_every_option_is_explained_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option, default in (("frames", "60"), ("bundle", "default"), ("output", "demo_output")):
        assert f"--{option} " in text
        assert f"(default: {default})" in text


@pytest.mark.parametrize("arguments", [["--frames", "0"], ["--frame", "3"]])
def test_wrong_options_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        program.main(arguments)
    assert exit_.value.code == 2
