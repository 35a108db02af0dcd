"""The refinement network's fixed parts, and the promise that it scales with its input."""

from __future__ import annotations

import pytest
import torch
from starrygazer_training.interpolation import (
    align,
    around,
    centred_log,
    guided_planes,
    local_planes,
    local_range,
    similar_mean,
)
from starrygazer_training.refinement import Refinement, convex_upsample, propagate


def scene(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image, relative depth and a sparse depth of 1 to 5 m, 64x96."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, 64, 96, generator=generator)
    relative = torch.rand(1, 1, 64, 96, generator=generator)
    depth = 1 + 4 * torch.rand(1, 1, 64, 96, generator=generator)
    sparse = depth * (torch.rand(1, 1, 64, 96, generator=generator) < 0.05)
    return image, relative, sparse


@pytest.fixture(scope="module")
def model() -> Refinement:
    """A network whose every weight matters: the heads do not start at zero here."""
    torch.manual_seed(0)
    network = Refinement().eval()
    for head in (network.coarse, network.fine):
        torch.nn.init.normal_(head.weight, std=0.05)
    return network


@pytest.mark.parametrize("k", [0.1, 0.5, 3.0, 50.0])
@torch.inference_mode()
def test_multiplying_the_sparse_depth_multiplies_the_output(model: Refinement, k: float) -> None:
    image, relative, sparse = scene()
    depth, confidence = model(image, relative, sparse)
    scaled_depth, scaled_confidence = model(image, relative, k * sparse)
    torch.testing.assert_close(scaled_depth, k * depth, rtol=1e-4, atol=0)
    torch.testing.assert_close(scaled_confidence, confidence, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("unseen", ["image", "relative_depth"])
@torch.inference_mode()
def test_what_an_ablation_leaves_out_does_not_matter(model: Refinement, unseen: str) -> None:
    blind = Refinement(**{f"see_{unseen}": False}).eval()
    blind.load_state_dict(model.state_dict())
    image, relative, sparse = scene()
    others = {"image": (image.flip(-1), relative), "relative_depth": (image, relative.flip(-1))}
    for network, same in ((blind, True), (model, False)):
        depth, _ = network(image, relative, sparse)
        other, _ = network(*others[unseen], sparse)
        assert torch.equal(other, depth) == same


@torch.inference_mode()
def test_reaches_a_few_samples_that_are_far_behind_all_others(model: Refinement) -> None:
    """A robot's own parts close by, and a street: depths of 1 to 1000."""
    sparse = torch.zeros(1, 1, 64, 96)
    sparse[..., ::4, ::4] = 0.2
    sparse[..., :32:4, 64::4] = 200.0
    sparse[..., 40:, 64::4] = 0.2
    image = torch.full((1, 3, 64, 96), 0.5)
    depth, _ = model(image, torch.zeros_like(sparse), sparse)
    far = depth[..., 4:24, 76:92]
    assert far.median() == pytest.approx(200.0, rel=0.5)
    assert depth.min() > 0.2 / 60


def test_relative_depth_matters_only_up_to_scale_and_shift(model: Refinement) -> None:
    image, relative, sparse = scene()
    depth, _ = model(image, relative, sparse)
    other, _ = model(image, 7 * relative - 3, sparse)
    torch.testing.assert_close(other, depth, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_alignment_recovers_an_affine_inverse_depth_despite_outliers() -> None:
    _, relative, _ = scene()
    inverse = 0.2 + 0.5 * relative
    sparse = (1 / inverse) * (torch.rand(1, 1, 64, 96) < 0.1)
    rows, columns = (sparse[0, 0] > 0).nonzero(as_tuple=True)
    sparse[0, 0, rows[::10], columns[::10]] *= 2  # one point in ten is wrong
    log_sparse, mask, centre = centred_log(sparse)
    aligned = torch.exp(align(relative, log_sparse, mask) + centre)
    error = (aligned * inverse - 1).abs()
    assert error.median() < 0.02


@torch.inference_mode()
def test_alignment_never_inverts_the_order_of_relative_depth() -> None:
    _, relative, _ = scene()
    sparse = (1 + relative) * (torch.rand(1, 1, 64, 96) < 0.1)  # nearer means farther: nonsense
    log_sparse, mask, _ = centred_log(sparse)
    aligned = align(relative, log_sparse, mask)
    assert aligned.std() < 1e-3  # a constant, not a flipped scene


@torch.inference_mode()
def test_interpolation_keeps_planes_between_scattered_samples() -> None:
    torch.manual_seed(0)
    mask = (torch.rand(1, 1, 60, 80) < 0.02).float()
    v, u = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    planes = torch.stack([0.01 * u - 0.02 * v + 0.3, 0 * u + 0.7])[None]
    interpolated, _ = local_planes(planes * mask, mask)
    error = (interpolated - planes).abs()  # of planes that span 2.0; the ridge flattens a little
    assert error.mean() < 0.01
    assert error.max() < 0.15


@torch.inference_mode()
def test_interpolation_passes_close_to_its_samples() -> None:
    torch.manual_seed(0)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., ::9, ::7] = 1
    values = torch.rand_like(mask)
    interpolated, _ = local_planes(values * mask, mask)
    assert ((interpolated - values).abs() * mask).max() < 0.1


@pytest.mark.parametrize("count", [1, 2, 3])
@torch.inference_mode()
def test_interpolation_of_a_few_samples_stays_within_their_range(count: int) -> None:
    mask = torch.zeros(1, 1, 96, 160)
    values = torch.zeros_like(mask)
    for index in range(count):
        mask[..., 10 + index, 20 + 40 * index] = 1
        values[..., 10 + index, 20 + 40 * index] = float(index)
    interpolated, _ = local_planes(values, mask)
    assert torch.isfinite(interpolated).all()
    assert interpolated.min() >= -0.2 - 1e-5
    assert interpolated.max() <= count - 1 + 0.2 + 1e-5


@torch.inference_mode()
def test_a_sample_in_a_corner_reaches_the_opposite_one_of_a_large_image() -> None:
    mask = torch.zeros(1, 1, 540, 960)
    mask[..., 0, 0] = 1
    interpolated, _ = local_planes(0.6 * mask, mask)
    torch.testing.assert_close(interpolated, torch.full_like(mask, 0.6), rtol=0, atol=5e-3)


@torch.inference_mode()
def test_density_falls_with_the_distance_to_the_nearest_sample() -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 32, 32] = 1
    _, density = local_planes(mask, mask)
    row = density[0, 0, 32, 32:]
    assert (row.diff() <= 1e-6).all()
    assert row[0] > row[8] > row[30]


@torch.inference_mode()
def test_propagation_and_upsampling_are_affine_means() -> None:
    field = torch.rand(1, 1, 8, 8)
    affinity = torch.softmax(torch.randn(1, 9, 8, 8), 1)
    shifted = propagate(field + 2.0, affinity) - propagate(field, affinity)
    torch.testing.assert_close(shifted, torch.full_like(field, 2.0))
    fine = convex_upsample(field, torch.randn(1, 36, 8, 8))
    assert fine.shape == (1, 1, 16, 16)
    assert fine.min() >= field.min()
    assert fine.max() <= field.max()


@torch.inference_mode()
def test_convex_upsampling_puts_subpixels_where_they_belong() -> None:
    field = torch.arange(16.0).view(1, 1, 4, 4)
    weights = torch.full((1, 36, 4, 4), -50.0)
    weights[:, 4::9] = 50.0  # every sub-pixel copies its own coarse pixel
    expected = field.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(convex_upsample(field, weights), expected)


@torch.inference_mode()
def test_local_range_finds_both_sides_of_a_step() -> None:
    values = torch.full((1, 1, 64, 96), 1.0)
    values[..., 48:] = 2.0
    mask = torch.zeros(1, 1, 64, 96)
    mask[..., ::4, ::4] = 1
    near, far = local_range(values, mask)[0]
    assert (near[:, 47:49] == 1).all()
    assert (far[:, 47:49] == 2).all()
    assert (far[:, :24] == 1).all()  # the other side is out of reach
    assert (near[:, 72:] == 2).all()


@torch.inference_mode()
def test_local_range_widens_until_it_holds_samples() -> None:
    values = torch.zeros(1, 1, 64, 96)
    mask = torch.zeros_like(values)
    for row, column, value in ((2, 3, 0.5), (60, 90, -1.5)):
        values[0, 0, row, column], mask[0, 0, row, column] = value, 1
    near, far = local_range(values, mask)[0]
    assert (near == -1.5).all()
    assert (far == 0.5).all()


def few_samples() -> torch.Tensor:
    """One pixel in twelve, [1, 1, 64, 96]."""
    generator = torch.Generator().manual_seed(3)
    return (torch.rand(1, 1, 64, 96, generator=generator) < 1 / 12).float()


@torch.inference_mode()
def test_guided_planes_keep_a_plane() -> None:
    v, u = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    plane = (0.01 * u - 0.005 * v)[None, None]
    features = torch.randn(1, 8, 64, 96, generator=torch.Generator().manual_seed(4)) * 0.3
    error = (guided_planes(plane, few_samples(), features) - plane).abs()
    assert float(error.mean()) < 0.01  # the plane spans 1.27; the ridge flattens it a little


@torch.inference_mode()
def test_guided_planes_do_not_mix_what_features_tell_apart() -> None:
    step = torch.zeros(1, 1, 64, 96)
    step[..., 48:] = 1.0
    features = torch.zeros(1, 8, 64, 96)
    features[:, :1] = 4 * step
    guided = guided_planes(step, few_samples(), features)
    blind = guided_planes(step, few_samples(), torch.zeros_like(features))
    assert float((guided - step).abs().mean()) < 0.001
    assert float((guided - step).abs().max()) < 0.1
    assert float((blind - step).abs().max()) > 0.3


@torch.inference_mode()
def test_upsampling_starts_bilinear() -> None:
    field = torch.rand(1, 1, 8, 12, generator=torch.Generator().manual_seed(5))
    logits = Refinement().widen.bias.view(1, 36, 1, 1).expand(1, 36, 8, 12)
    bilinear = torch.nn.functional.interpolate(field, scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(convex_upsample(field, logits), bilinear, atol=2e-3, rtol=0)


@torch.inference_mode()
def test_an_unreliable_sample_says_little_and_still_something_alone() -> None:
    mask = torch.zeros(1, 1, 32, 48)
    values = torch.zeros(1, 1, 32, 48)
    mask[0, 0, 8::8, 8::8] = 1
    values[0, 0, 16, 24] = 5  # wrong
    features = torch.zeros(1, 2, 32, 48)
    reliability = torch.ones(1, 1, 32, 48)
    believed = guided_planes(values, mask, features, reliability)
    reliability[0, 0, 16, 24] = 1e-7
    doubted = guided_planes(values, mask, features, reliability)
    assert believed[0, 0, 16, 24] > 2
    assert doubted[0, 0, 16, 24].abs() < 0.2
    alone = torch.zeros_like(mask)
    alone[0, 0, 16, 24] = 1
    torch.testing.assert_close(
        guided_planes(values, alone, features, reliability), torch.full_like(values, 5.0)
    )


@torch.inference_mode()
def test_a_thin_pole_is_joined_between_samples_by_its_features() -> None:
    values, mask, pole = (torch.zeros(1, 1, 32, 48) for _ in range(3))
    pole[..., 20] = 1
    mask[0, 0, ::6] = 1
    values[0, 0, ::6] = torch.where(pole[0, 0, 0] > 0, -1.0, 2.0)
    mean = similar_mean(values, mask, 4 * pole, torch.full_like(values, 9.0))
    torch.testing.assert_close(mean[..., 20], torch.full((1, 1, 32), -1.0), atol=0.05, rtol=0)
    beside = torch.cat([mean[..., :20], mean[..., 21:]], -1)
    torch.testing.assert_close(beside, torch.full_like(beside, 2.0), atol=0.05, rtol=0)


@torch.inference_mode()
def test_without_similar_samples_close_by_the_old_value_stays() -> None:
    values, mask = torch.full((1, 1, 64, 64), 2.0), torch.zeros(1, 1, 64, 64)
    mask[0, 0, 0, 0] = 1
    before = torch.rand(1, 1, 64, 64)
    mean = similar_mean(values, mask, torch.zeros(1, 2, 64, 64), before)
    torch.testing.assert_close(mean[..., 20:, 20:], before[..., 20:, 20:])


@pytest.mark.parametrize("cell", [3, 5])
@torch.inference_mode()
def test_a_coarser_grid_still_gives_each_pixel_its_depth(cell: int) -> None:
    """A slanted plane, sampled at random: on larger cells with the same weights, too."""
    network = Refinement(cell=cell).eval()
    height, width = 2 * network.multiple, 3 * network.multiple
    v, u = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    depth = (2 + 0.01 * u + 0.005 * v).float()[None, None]
    generator = torch.Generator().manual_seed(0)
    sparse = depth * (torch.rand(1, 1, height, width, generator=generator) < 0.1)
    image = torch.full((1, 3, height, width), 0.5)
    completed, confidence = network(image, torch.zeros_like(sparse), sparse)
    assert completed.shape == confidence.shape == depth.shape
    inside = (..., slice(cell, -cell), slice(cell, -cell))
    assert ((completed - depth).abs() / depth)[inside].median() < 0.005


@torch.inference_mode()
def test_a_sample_keeps_its_depth_wherever_it_lies_in_its_cell() -> None:
    values = torch.zeros(1, 1, 12, 12)
    values[..., 4, 7] = 1.0
    weight = (values > 0).float()
    spread = around(values, weight, cell=3)
    assert spread[..., 4, 7] == pytest.approx(1 / 1.3, rel=1e-5)
    assert spread[..., 4, 5:10].argmax() == 2
    assert (spread >= 0).all()
    assert set(spread.nonzero()[:, 2].tolist()) == {2, 3, 4, 5, 6}  # less than a cell away
