"""Planes that leave out what the samples around contradict, and the bundle made of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from starrygazer_training import cli, planes
from starrygazer_training.interpolation import local_planes
from starrygazer_training.robust_planes import robust_planes

from starrygazer_ros.completion import DepthCompleter, ModelBundle

ROWS, COLUMNS = 96, 128


def samples(share: float = 0.05) -> tuple[torch.Tensor, torch.Tensor]:
    """A plane in log depth, and where it is sampled; [1, 1, H, W]."""
    v, u = torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij")
    values = (0.004 * u - 0.003 * v)[None, None].float()
    chosen = torch.rand(values.shape, generator=torch.Generator().manual_seed(0)) < share
    return values, chosen.float()


def test_a_plane_is_kept() -> None:
    values, mask = samples()
    found, error = robust_planes(values * mask, mask)
    inside = (..., slice(4, -4), slice(4, -4))
    off, reference = (
        (kept - values)[inside].abs() for kept in (found, local_planes(values * mask, mask)[0])
    )
    assert off.mean() < 1.1 * reference.mean() < 5e-3
    assert off.max() < 0.02
    assert error.min() > 0
    assert error[inside].max() < 0.1


@pytest.mark.parametrize("off", [1.0, -1.0])
def test_a_wrong_sample_counts_less_than_in_local_planes(off: float) -> None:
    values, mask = samples()
    row, column = mask[0, 0].nonzero()[len(mask.nonzero()) // 2]
    wrong = values * mask
    wrong[..., row, column] += off
    spoilt = [
        ((found - values).abs() > 0.1).sum()
        for found in (robust_planes(wrong, mask)[0], local_planes(wrong, mask)[0])
    ]
    assert 0 < spoilt[0] < 0.6 * spoilt[1]


def test_the_error_is_larger_where_samples_disagree_and_far_from_them() -> None:
    values, mask = samples()
    step = values.clone()
    step[..., COLUMNS // 2 :] += 1
    mask[..., :32] = 0
    _, error = robust_planes(step * mask, mask)
    among = error[..., 20:-20, COLUMNS - 30 : COLUMNS - 10].mean()
    assert error[..., 20:-20, COLUMNS // 2 - 3 : COLUMNS // 2 + 3].mean() > 3 * among
    assert error[..., 20:-20, :10].mean() > 3 * among


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_samples_give_finite_depth_within_their_range(count: int) -> None:
    values, mask = torch.zeros(1, 1, 64, 96), torch.zeros(1, 1, 64, 96)
    for index in range(count):
        mask[..., 20 + 9 * index, 70 - 20 * index] = 1
        values[..., 20 + 9 * index, 70 - 20 * index] = index
    found, error = robust_planes(values, mask)
    assert found.min() >= -0.2 - 1e-6
    assert found.max() <= count - 1 + 0.2 + 1e-6
    assert error.isfinite().all()


def test_the_command_writes_a_bundle_that_completes(tmp_path: Path) -> None:
    folder = tmp_path / "swift"
    assert cli.main(["planes", f"--output={folder}", "--version=2.0"]) == 0
    bundle = ModelBundle.load(folder)
    assert (bundle.name, bundle.version) == ("swift", "2.0")
    assert bundle.working_pixels == planes.WORKING_PIXELS
    assert bundle.across_edges
    card = (folder / "MODEL_CARD.md").read_text()
    assert card.startswith("# Model card: swift 2.0\n")
    golden = bundle.golden()
    completer = DepthCompleter(bundle, "onnxruntime")
    assert completer.self_check() < 1e-4
    depth = completer.complete(golden.image, golden.sparse_depth).depth
    assert 1 < depth.min() < depth.max() < 10


def test_a_folder_with_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.main(["planes", f"--output={tmp_path}"]) == 2
    assert "notes.txt" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"
