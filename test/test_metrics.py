from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
from benchmarks import metrics


def depth(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_errors_of_two_known_pixels() -> None:
    errors = metrics.compare(depth(2.0, 5.0), depth(1.0, 4.0))

    assert errors.rmse == pytest.approx(1.0)
    assert errors.mae == pytest.approx(1.0)
    assert errors.absrel == pytest.approx((1 / 1 + 1 / 4) / 2)
    assert errors.irmse == pytest.approx(np.sqrt((500**2 + 50**2) / 2))
    assert errors.pixels == 2


def test_rmse_weighs_large_errors_more_than_mae() -> None:
    errors = metrics.compare(depth(1.0, 4.0), depth(1.0, 1.0))

    assert errors.mae == pytest.approx(1.5)
    assert errors.rmse == pytest.approx(3 / np.sqrt(2))


def test_median_ignores_one_large_error() -> None:
    errors = metrics.compare(depth(1.1, 1.2, 9.0), depth(1.0, 1.0, 1.0))

    assert errors.median == pytest.approx(0.2)


def test_delta1_counts_ratios_below_a_quarter_either_way() -> None:
    errors = metrics.compare(depth(1.24, 1.26, 1.0, 1.0), depth(1.0, 1.0, 1.24, 1.26))

    assert errors.delta1 == pytest.approx(0.5)


def test_pixels_without_truth_do_not_count() -> None:
    errors = metrics.compare(depth(2.0, 9.0, 9.0), depth(1.0, 0.0, np.nan))

    assert errors.pixels == 1
    assert errors.mae == pytest.approx(1.0)


def test_pixels_outside_the_mask_do_not_count() -> None:
    mask = np.array([[True, False]])

    assert metrics.compare(depth(2.0, np.nan), depth(1.0, 1.0), mask).pixels == 1


def test_rejects_a_hole_on_a_compared_pixel() -> None:
    with pytest.raises(ValueError, match="holes"):
        metrics.compare(depth(2.0, np.nan), depth(1.0, 1.0))


def test_rejects_a_frame_without_truth() -> None:
    with pytest.raises(ValueError, match="no pixel"):
        metrics.compare(depth(2.0), depth(0.0))


def test_mean_gives_each_frame_the_same_weight() -> None:
    few = metrics.compare(depth(3.0), depth(1.0))
    many = metrics.compare(depth(1.0, 1.0, 1.0), depth(1.0, 1.0, 1.0))

    averaged = metrics.mean([few, many])

    assert averaged.rmse == pytest.approx(1.0)
    assert averaged.pixels == 4


def test_mean_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        metrics.mean([])
