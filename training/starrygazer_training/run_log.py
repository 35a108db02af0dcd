"""How a run shows itself: progress bar with ETA, TensorBoard, one JSON line per validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from starrygazer_training.run_state import RunFiles, write_atomically

SCALAR_STEPS = 10  # a scalar of every step would only swell the files


@dataclass(frozen=True)
class Validation:
    """What a network does on data that it does not learn from.

    Attributes:
        figures: numbers by name.
        pictures: RGB uint8 [H, W, 3] by name, for TensorBoard.
    """

    figures: Mapping[str, float]
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


class RunLog:
    """Logs of one run, open while it trains.

    A resumed run first drops what was logged after its checkpoint: it does those steps again.

    Args:
        files: of the run.
        steps: of the whole run.
        done: steps that were done before.
        silent: log nothing; for all processes but the first.
    """

    def __init__(self, files: RunFiles, steps: int, done: int, silent: bool) -> None:
        self._files, self._silent = files, silent
        self._console = Console(quiet=silent)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            speed_estimate_period=300,
        )
        self._task = self._bar.add_task(files.name, total=steps, completed=done, loss="…")
        if silent:
            return
        # Imported here: it takes a second, and only the first process of several writes.
        from torch.utils.tensorboard import SummaryWriter

        self._board = SummaryWriter(
            str(files.work / "tensorboard" / files.name), purge_step=done + 1
        )
        kept = [line for line in files.read_log() if line["step"] <= done]
        write_atomically(files.log, "".join(json.dumps(k) + "\n" for k in kept).encode())

    def __enter__(self) -> RunLog:
        """Start the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the bar and close the files."""
        self._bar.stop()
        if not self._silent:
            self._board.close()

    def step(self, number: int, running_loss: float | None, scalars: Mapping[str, float]) -> None:
        """Log one optimiser step.

        Args:
            number: of the step, from 1.
            running_loss: running mean, for the bar.
            scalars: for TensorBoard.
        """
        shown = "none" if running_loss is None else f"{running_loss:.4f}"
        self._bar.update(self._task, completed=number, loss=shown)
        if not self._silent and number % SCALAR_STEPS == 0:
            for name, value in scalars.items():
                self._board.add_scalar(f"training/{name}", value, number)

    def validation(self, number: int, loss: float | None, validation: Validation) -> None:
        """Log the figures and pictures of a validation after step ``number``."""
        if self._silent:
            return
        figures = {name: round(float(value), 4) for name, value in validation.figures.items()}
        rounded = None if loss is None else round(loss, 4)
        line = json.dumps({"step": number, "loss": rounded, **figures})
        self._console.print(
            f"{self._files.name} {line}", markup=False, highlight=False, soft_wrap=True
        )
        with self._files.log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        for name, value in validation.figures.items():
            self._board.add_scalar(f"validation/{name}", value, number)
        for name, picture in validation.pictures.items():
            self._board.add_image(name, picture, number, dataformats="HWC")
        self._board.flush()

    def saved(self, number: int, running_loss: float | None) -> None:
        """Tell about a checkpoint where no bar is drawn, so that log files show progress."""
        if self._bar.disable and not self._silent:
            remaining = self._bar.tasks[self._task].time_remaining
            eta = "" if remaining is None else f", ETA {remaining / 60:.0f} min"
            loss = "" if running_loss is None else f", loss {running_loss:.4f}"
            total = self._bar.tasks[self._task].total
            print(f"{self._files.name} {number}/{total:.0f}{loss}{eta}", flush=True)
