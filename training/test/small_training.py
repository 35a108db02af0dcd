"""A training that takes a second, for tests that start it in processes of its own.

python small_training.py WORK CHUNKS
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from starrygazer_training import distributed
from starrygazer_training.checkpoints import TrainingRun
from starrygazer_training.config import RunConfig
from torch import nn

STEPS = 24


def network() -> nn.Module:
    torch.manual_seed(3)
    # Without the bias that BatchNorm takes away again: its gradient is rounding alone, of which
    # Adam makes whole steps.
    first = nn.Conv2d(1, 6, 3, padding=1, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(6), nn.Dropout2d(0.3), nn.Conv2d(6, 1, 1))


def config(chunks: int = 1, steps: int = STEPS) -> RunConfig:
    return RunConfig(
        steps=steps, batch=8, learning_rate=1e-2, chunks=chunks, warm_up_steps=5, validations=steps
    )


def run(work: Path, settings: RunConfig) -> TrainingRun:
    training = TrainingRun("small", work, network(), settings)

    def draw(rng: random.Random) -> torch.Tensor:
        generator = torch.Generator().manual_seed(rng.getrandbits(31))
        return torch.rand(settings.chunk_size, 1, 8, 8, generator=generator)

    def loss_of(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return (model(x) - 3 * x).float().square().mean()

    def validate(model: nn.Module) -> dict[str, float]:
        return {"output": float(model(torch.ones(1, 1, 8, 8)).mean())}

    training.fit(draw, loss_of, validate)
    return training


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.process_group():
        run(Path(sys.argv[1]), config(int(sys.argv[2])))
