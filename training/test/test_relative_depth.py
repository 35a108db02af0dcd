"""The loss for relative depth, the student, and the crops that it learns from."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from starrygazer_training.datasets import Frame
from starrygazer_training.dinov2 import WIDTH
from starrygazer_training.distillation import CROP, Distillation, _Photo, label_path
from starrygazer_training.features import feature_path, patch_grid
from starrygazer_training.relative_loss import (
    affine_abs_rel,
    align,
    pooled_inverse_depth,
    relative_depth_loss,
)
from starrygazer_training.student import Student
from starrygazer_training.teacher import TOKENS, _ceiling


def test_loss_ignores_scale_and_shift_but_not_sign() -> None:
    torch.manual_seed(0)
    target = torch.rand(2, 1, 32, 40)
    valid = (torch.rand_like(target) < 0.5).float()
    assert relative_depth_loss(3 * target + 5, target, valid, 2.0) < 1e-3
    assert relative_depth_loss(-target, target, valid, 2.0) > 1.0


def test_loss_ignores_what_is_not_valid() -> None:
    torch.manual_seed(0)
    target = torch.rand(1, 1, 32, 40)
    valid = torch.ones_like(target)
    valid[..., :10, :] = 0
    prediction = target.clone()
    prediction[..., :10, :] = 100
    assert relative_depth_loss(prediction, target, valid, 2.0) < 1e-3


def test_alignment_is_the_least_squares_fit() -> None:
    torch.manual_seed(0)
    prediction, noise = torch.rand(1, 1, 20, 20), 0.01 * torch.randn(1, 1, 20, 20)
    aligned = align(prediction, 0.5 * prediction + 2 + noise, torch.ones_like(prediction))
    torch.testing.assert_close(aligned, 0.5 * prediction + 2, rtol=0.01, atol=0.01)


def test_pooling_averages_only_what_was_measured() -> None:
    depth = torch.zeros(1, 1, 4, 4)
    depth[..., 0, 0], depth[..., 1, 1] = 2.0, 4.0  # one cell with two measurements
    inverse, valid = pooled_inverse_depth(depth, (2, 2))
    assert inverse[0, 0, 0, 0] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert valid.tolist() == [[[[1, 0], [0, 0]]]]


def test_metrics_of_a_perfect_prediction() -> None:
    depth = 1 + 9 * torch.rand(1, 1, 30, 40)
    depth[..., :5, :] = 0
    inverse = torch.where(depth > 0, 1 / depth.clamp_min(0.1), torch.zeros_like(depth))
    abs_rel, pearson = affine_abs_rel(4 * inverse + 1, depth)
    assert abs_rel < 1e-3
    assert pearson > 0.999


def test_ceiling_bounds_only_what_lies_above_the_highest_return() -> None:
    inverse, valid = torch.zeros(1, 6, 20), torch.zeros(1, 6, 20)
    inverse[:, 3:] = torch.tensor([0.05, 0.1, 0.2]).view(1, 3, 1)
    valid[:, 3:] = 1
    ceiling = _ceiling(inverse, valid)
    assert (ceiling[:, :3] == 0.05).all()
    assert (ceiling[:, 3:] == 0).all()


@pytest.mark.parametrize("size", [(64, 64), (96, 160)])
def test_student_keeps_the_size(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert Student().eval()(torch.rand(1, 3, *size)).shape == (1, 1, *size)


def test_student_and_projection_fit_the_backbone() -> None:
    depth, features = Distillation()(torch.rand(2, 3, 64, 96))
    assert depth.shape == (2, 1, 64, 96)
    assert features.shape == (2, WIDTH, 4, 6)


def test_patch_grid_keeps_the_aspect_ratio_and_the_number_of_tokens() -> None:
    for height, width in ((480, 640), (375, 1242), (640, 480)):
        rows, columns = patch_grid(height, width, TOKENS)
        assert rows * columns == pytest.approx(TOKENS, rel=0.05)
        assert columns / rows == pytest.approx(width / height, rel=0.1)


def test_a_crop_cuts_image_label_and_features_at_the_same_place(tmp_path: Path) -> None:
    """All three carry the horizontal position, so after any crop they must still agree."""
    height, width = 300, 400
    position = np.linspace(0, 1, width, dtype=np.float32)
    image = np.broadcast_to((255 * position)[None, :, None], (height, width, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), image)
    frame = Frame("photos", tmp_path, tmp_path / "photo.png")
    rows, columns = patch_grid(height, width, TOKENS)
    cells = ((np.arange(columns) + 0.5) / columns).astype(np.float16)
    features = np.broadcast_to(cells, (4, WIDTH, rows, columns))
    label = np.broadcast_to(
        ((np.arange(4 * columns) + 0.5) / (4 * columns)), (4 * rows, 4 * columns)
    )
    for path, array in (
        (feature_path(tmp_path / "cache", frame, TOKENS, False), features),
        (label_path(tmp_path, frame), label.astype(np.float16)),
    ):
        path.parent.mkdir(parents=True)
        np.save(path, array)
    photo = _Photo(tmp_path, frame)
    for seed in range(10):
        image_t, label_t, features_t = photo.crop(random.Random(seed))
        assert image_t.shape == (3, *CROP)
        middle = label_t[0, :, 8:-8].mean(0)
        assert (middle.diff().sign() == middle.diff().sign()[0]).all()
        coarse = label_t[0].unfold(1, 8, 8).mean(-1).mean(0)  # 16 pixels of the crop
        np.testing.assert_allclose(coarse[2:-2], features_t.mean((0, 1))[2:-2], atol=0.02)
        brightness = image_t.mean((0, 1))  # colour jitter is monotonic, so the order must agree
        ordered = brightness[16:-16:16].diff().sign()
        assert (ordered * middle.diff().sign()[0] >= 0).all()
