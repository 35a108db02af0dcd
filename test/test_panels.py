from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
from benchmarks import panels
from benchmarks.panels import Completed, Frame, strip
from starrygazer_ros.completion import Intrinsics


def frame(height: int = 60, width: int = 80, **changes: np.ndarray) -> Frame:
    truth = np.tile(np.linspace(2, 5, width, dtype=np.float32), (height, 1))
    sparse = np.zeros_like(truth)
    sparse[::10, ::10] = truth[::10, ::10]
    content = {
        "truth": truth,
        "sparse_depth": sparse,
        "image": np.full((height, width, 3), 120, np.uint8),
        "confidence": np.full_like(truth, 0.5),
        **changes,
    }
    return Frame(
        title="test",
        intrinsics=Intrinsics(70, 70, width / 2, height / 2, width, height),
        ours=Completed("ours", truth + np.float32(0.1), 0.1, 0.1),
        baseline=Completed("nearest", truth + np.float32(0.2), 0.2, 0.2),
        **content,
    )


def test_usual_images_stand_in_two_rows_wide_ones_in_two_columns() -> None:
    usual, wide = strip(frame()), strip(frame(60, 200))

    assert usual.shape[1] > 2 * usual.shape[0]
    assert wide.shape[1] < 2 * wide.shape[0]
    assert usual.dtype == wide.dtype == np.uint8


def test_both_errors_have_one_scale() -> None:
    """It is that of the worse method, so the better one looks better."""
    assert panels._error_limit(frame()) == pytest.approx(0.2, rel=1e-3)


def test_pixels_without_truth_are_not_drawn_as_correct() -> None:
    truth = frame().truth.copy()
    truth[:, :40] = 0

    error = panels._error(truth + 0.1, truth, 0.2, 1.0)

    assert (error[:, :40] == panels._NOT_COMPARED).all()
    assert not (error[:, 40:] == panels._NOT_COMPARED).all(axis=2).any()


def test_single_true_points_are_enlarged() -> None:
    truth = np.zeros((60, 80), np.float32)
    truth[30, 40] = 2.0

    error = panels._error(np.full_like(truth, 2.1), truth, 0.2, 1.0)

    drawn = (error != panels._NOT_COMPARED).any(axis=2)
    assert drawn.sum() == 49


def test_both_clouds_are_seen_in_the_same_cut_without_the_sky() -> None:
    sparse = frame().sparse_depth.copy()
    sparse[:25] = 0
    image = frame().image.copy()
    image[:30] = (0, 0, 255)

    ours, baseline = panels._clouds(frame(sparse_depth=sparse, image=image), (440, 330))

    assert ours.shape == baseline.shape
    for cloud in (ours, baseline):
        assert (cloud == 120).all(axis=2).any()
        assert not (cloud == (0, 0, 255)).all(axis=2).any()
