"""The teacher begins with its trunk, and learns only from what is known."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_data import write_data, write_features
from starrygazer_training import datasets, teacher
from starrygazer_training.config import Config, ConfigError, TeacherConfig
from starrygazer_training.dinov2 import WIDTH
from starrygazer_training.features import feature_path, patch_grid
from starrygazer_training.rendered_frames import rendered_frames
from starrygazer_training.run_state import RunFiles
from starrygazer_training.stages import mde
from starrygazer_training.teacher import TOKENS, TRUNK, _loss, _per_patch, _window
from starrygazer_training.teacher_network import UPSAMPLING, TeacherHead, TeacherTrunk
from torch.nn import functional as F

QUICK = TeacherConfig(
    steps=1, trunk_steps=1, batch=2, trunk_batch=2, chunks=1, renders=0, render_share=0.0
)


def test_a_window_covers_the_same_part_of_patches_and_cells() -> None:
    rng = random.Random(0)
    patches = torch.arange(20 * 30).view(1, 20, 30).float()
    cells = patches.repeat_interleave(UPSAMPLING, 1).repeat_interleave(UPSAMPLING, 2)
    for _ in range(50):
        window, window_of_cells = _window((20, 30), rng)
        part = patches[window]
        assert part.shape[1] >= 12
        assert part.shape[2] >= 18
        torch.testing.assert_close(F.avg_pool2d(cells[window_of_cells], UPSAMPLING), part)


def test_a_patch_has_the_mean_of_its_known_cells() -> None:
    inverse = torch.zeros(1, 1, 16, 8)
    inverse[0, 0, 0, :2] = torch.tensor([0.2, 0.4])
    torch.testing.assert_close(_per_patch(inverse).flatten(), torch.tensor([0.3, 0.0]))


def test_a_window_above_all_returns_has_a_finite_loss() -> None:
    prediction = torch.randn(1, 1, 6, 8, requires_grad=True)
    unknown, ceiling = torch.zeros(1, 1, 6, 8), torch.full((1, 1, 6, 8), 0.1)
    loss = _loss(prediction, unknown, ceiling, QUICK)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(prediction.grad).all()


def test_the_head_refines_what_its_trunk_says() -> None:
    torch.manual_seed(0)
    head = TeacherHead().eval()
    features, image = torch.randn(1, 4, WIDTH, 6, 8), torch.rand(1, 3, 48, 64)
    torch.nn.init.zeros_(head.up8[-1].weight)
    torch.nn.init.zeros_(head.up8[-1].bias)
    with torch.inference_mode():
        depth, coarse = head(features, image), head.trunk(features)
    assert depth.shape == (1, 1, 48, 64)
    # Away from the border, upsampling eightfold keeps the order of the patches.
    centre = F.avg_pool2d(depth, UPSAMPLING)[..., 2:-2, 2:-2].flatten()
    expected = coarse[..., 2:-2, 2:-2].flatten()
    assert torch.corrcoef(torch.stack([centre, expected]))[0, 1] > 0.9


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Data and work folder with features in the cache."""
    write_data(tmp_path / "data")
    write_features(tmp_path / "data", tmp_path / "work" / "cache")
    return tmp_path / "data", tmp_path / "work"


def test_the_head_begins_with_the_trunk_that_was_trained(folders: tuple[Path, Path]) -> None:
    data, work = folders
    torch.manual_seed(5)
    trunk = TeacherTrunk().state_dict()
    save_file(trunk, RunFiles(work, TRUNK).result)
    config = TeacherConfig(**{**vars(QUICK), "learning_rate": 1e-8})
    teacher.train(data, work, config, with_trunk=False)
    weights = load_file(work / "teacher.safetensors")
    for name, values in trunk.items():
        torch.testing.assert_close(weights[f"trunk.{name}"], values, atol=1e-6, rtol=0)
    assert not RunFiles(work, TRUNK).result.exists()  # the next teacher gets one of its own


def test_a_changed_trunk_is_refused_or_adopted(folders: tuple[Path, Path]) -> None:
    data, work = folders
    teacher.train(data, work, QUICK, with_trunk=True)
    assert RunFiles(work, TRUNK).read_record() is not None
    (work / "teacher.safetensors").unlink()
    save_file(TeacherTrunk().state_dict(), RunFiles(work, TRUNK).result)
    changed = Config(teacher=TeacherConfig(**{**vars(QUICK), "trunk_steps": 2}))
    with pytest.raises(ConfigError, match="steps 1 → 2"):
        mde(changed, data, work, force=False, variant="accurate")
    mde(changed, data, work, force=True, variant="accurate")
    assert (work / "teacher.safetensors").exists()


def test_without_folders_with_depth_it_learns_from_renders(folders: tuple[Path, Path]) -> None:
    data, work = folders
    for name in (*datasets.TEACHER_DATASETS, datasets.NYU):
        shutil.rmtree(data / name)
    config = TeacherConfig(**{**vars(QUICK), "renders": 3, "render_share": 0.5})
    rows, columns = patch_grid(480, 640, TOKENS)
    for frame in rendered_frames(data, work, config.renders):
        path = feature_path(work / "cache", frame, TOKENS, flip=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.zeros((4, WIDTH, rows, columns), np.float16))
    teacher.train(data, work, config, with_trunk=False)
    record = RunFiles(work, "teacher").read_record()
    assert record is not None
    assert record["data"] == {"renders": 2}
    assert record["watched"] == {"renders": 1}


def test_without_any_depth_there_is_nothing_to_learn(folders: tuple[Path, Path]) -> None:
    data, work = folders
    for name in datasets.TEACHER_DATASETS:
        shutil.rmtree(data / name)
    with pytest.raises(ConfigError, match="nothing to learn depth from"):
        teacher.train(data, work, QUICK, with_trunk=False)
