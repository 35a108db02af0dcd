"""Samples that do not fit those around them, and that nothing is taken from them."""

from __future__ import annotations

import pytest
import torch
from starrygazer_training.completion_training import sample_loss
from starrygazer_training.interpolation import front
from starrygazer_training.plausibility import LARGEST_STEP, beside, plausibility_loss
from starrygazer_training.refinement import Refinement
from torch import Tensor, nn

SIZE = 32
MIDDLE = 16
NEAR, FAR = 0.0, 0.7  # log depth


def judged(samples: Tensor) -> dict[str, Tensor]:
    """The figures of the middle sample at the first level, of nearer and of farther samples."""
    figures = torch.cat(beside(samples, torch.ones_like(samples), (0,)), 1)[0, :, MIDDLE, MIDDLE]
    return {"nearer": figures[0::2], "farther": figures[1::2]}


def constant(value: float) -> Tensor:
    return torch.full((1, 1, SIZE, SIZE), value)


def test_background_seen_past_an_edge_is_surrounded_by_nearer_samples() -> None:
    samples = constant(NEAR)
    samples[..., MIDDLE, MIDDLE] = FAR
    nearer = judged(samples)["nearer"]
    torch.testing.assert_close(nearer, torch.full((5,), FAR - NEAR))


def test_background_beside_an_edge_has_nearer_samples_on_one_side_only() -> None:
    samples = constant(NEAR)
    samples[..., :, MIDDLE:] = FAR
    # The left side; above and below, where windows reach across the edge; nothing on the right.
    assert judged(samples)["nearer"][3] == 0
    samples[..., MIDDLE - 2 :, :] = FAR
    *_, pair = judged(samples)["nearer"]
    assert pair == 0


@pytest.mark.parametrize(("value", "direction"), [(-0.5, "nearer"), (0.5, "farther")])
def test_an_outlier_has_nothing_beyond_it_on_any_side(value: float, direction: str) -> None:
    samples = constant(NEAR)
    samples[..., MIDDLE, MIDDLE] = value
    torch.testing.assert_close(judged(samples)[direction], torch.full((5,), -abs(value)))


def test_a_sample_without_others_has_nothing_to_be_judged_by() -> None:
    samples, known = constant(1.0), constant(0.0)
    known[..., MIDDLE, MIDDLE] = 1
    figures = torch.cat(beside(samples, known, range(5)), 1)[0, :, MIDDLE, MIDDLE]
    assert (figures == -LARGEST_STEP).all()


def test_the_loss_is_small_only_where_samples_are_judged_as_they_are() -> None:
    error, known = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    error[..., 0, 0] = 1.0
    right = torch.where(error > 0, -5.0, 5.0)
    losses = [float(plausibility_loss(logit, error, known)) for logit in (right, 0 * right, -right)]
    assert losses[0] < 0.05 < losses[1] < losses[2]
    assert float(plausibility_loss(right, error, 0 * known)) == 0


def test_sample_loss_judges_samples_by_the_true_depth_under_them() -> None:
    log_depth = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    sparse = torch.exp(log_depth).clone()
    sparse[..., 1::2] = 0
    sparse[..., ::4, 0] *= 3
    wrong = (sparse > 1.5 * torch.exp(log_depth)).float()[..., ::2, ::2]
    right_judge = 10 * (0.5 - wrong)
    known = torch.ones_like(sparse)
    good, bad = (
        float(sample_loss(s * right_judge, sparse, log_depth, known, cell=2)) for s in (1, -1)
    )
    assert good < 0.1 < 1 < bad


def test_of_two_surfaces_in_a_cell_the_one_in_front_stays() -> None:
    log_depth = torch.tensor([[0.0, 0.02, 0.7, 0.7], [0.7, 0.0, 0.7, 0.0]]).view(1, 1, 2, 4)
    mask = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]]).view(1, 1, 2, 4)
    expected = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]]).view(1, 1, 2, 4)
    torch.testing.assert_close(front(log_depth, mask), expected)


class _Judge(nn.Module):
    """Takes samples beyond a depth for wrong."""

    def forward(self, samples: Tensor, residual: Tensor, known: Tensor) -> Tensor:
        return torch.where(samples > 1.0, -15.0, 15.0)


@torch.inference_mode()
def test_nothing_is_taken_from_a_sample_that_is_judged_wrong() -> None:
    torch.manual_seed(0)
    model = Refinement().eval()
    model.plausibility = _Judge()
    image, relative = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64)
    sparse = torch.zeros(1, 1, 64, 64)
    sparse[..., 4::8, 4::8] = 2.0
    sparse[..., 36, 36] = 20.0
    depth, _ = model(image, relative, sparse)
    assert depth.max() < 2.1
