from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
from benchmarks.sparsification import REMOVED, mean, sparsify


def errors(n: int = 1000) -> np.ndarray:
    return np.random.default_rng(0).exponential(1.0, n)


def test_a_confidence_that_ranks_like_the_error_has_no_ause() -> None:
    error = errors()

    curves = sparsify(error, -error)

    assert curves.ause_rmse == pytest.approx(0, abs=1e-12)
    assert curves.ause_mae == pytest.approx(0, abs=1e-12)


def test_the_reversed_oracle_has_the_largest_ause_of_all_orders() -> None:
    error = errors(200)
    worst = sparsify(error, error)

    for seed in range(50):
        other = sparsify(error, np.random.default_rng(seed).permutation(200).astype(float))
        assert 0 < other.ause_rmse < worst.ause_rmse
        assert 0 < other.ause_mae < worst.ause_mae


def test_curves_by_hand() -> None:
    """Errors 0 and 1, 50 of each: the order decides everything."""
    error = np.repeat([0.0, 1.0], 50)

    reversed_order = sparsify(error, error)

    kept = 100 - np.arange(100)
    np.testing.assert_allclose(reversed_order.mae, np.minimum(1, 50 / kept) / 0.5)
    np.testing.assert_allclose(reversed_order.rmse, np.sqrt(np.minimum(1, 50 / kept) / 0.5))
    np.testing.assert_allclose(reversed_order.oracle_mae, np.maximum(0, kept - 50) / kept / 0.5)
    gap = reversed_order.mae - reversed_order.oracle_mae
    assert reversed_order.ause_mae == pytest.approx(np.sum(gap[1:] + gap[:-1]) / 2 * 0.01)


def test_curves_start_at_one_and_do_not_depend_on_the_unit() -> None:
    error, confidence = errors(), np.random.default_rng(1).uniform(size=1000)

    metres, millimetres = sparsify(error, confidence), sparsify(1000 * error, confidence)

    assert metres.rmse[0] == metres.mae[0] == metres.oracle_rmse[0] == 1
    np.testing.assert_allclose(metres.rmse, millimetres.rmse)
    assert len(metres.rmse) == len(REMOVED) == 100


def test_only_the_order_of_the_confidence_counts() -> None:
    error, confidence = errors(), np.random.default_rng(1).uniform(0.1, 1, 1000)

    np.testing.assert_array_equal(
        sparsify(error, confidence).mae, sparsify(error, np.exp(9 * confidence)).mae
    )


def test_a_confidence_that_says_nothing_has_a_flat_curve() -> None:
    curves = sparsify(errors(), np.full(1000, 0.7))

    np.testing.assert_allclose(curves.rmse, 1)
    np.testing.assert_allclose(curves.mae, 1)


def test_the_order_of_equally_confident_pixels_has_no_influence() -> None:
    error = errors()
    confidence = np.random.default_rng(1).integers(0, 5, 1000).astype(float)
    shuffle = np.random.default_rng(2).permutation(1000)

    np.testing.assert_allclose(
        sparsify(error, confidence).rmse, sparsify(error[shuffle], confidence[shuffle]).rmse
    )


def test_the_sign_of_the_error_has_no_influence() -> None:
    error, confidence = errors(), np.random.default_rng(1).uniform(size=1000)
    sign = np.random.default_rng(2).choice([-1, 1], 1000)

    np.testing.assert_array_equal(
        sparsify(sign * error, confidence).mae, sparsify(error, confidence).mae
    )


def test_nothing_to_rank_without_an_error() -> None:
    assert sparsify(np.zeros(50), errors(50)).ause_rmse == 0


def test_ause_of_the_mean_is_the_mean_ause() -> None:
    frames = [sparsify(errors(n), np.arange(n) % 7.0) for n in (300, 500)]

    assert mean(frames).ause_rmse == pytest.approx(np.mean([f.ause_rmse for f in frames]))


@pytest.mark.parametrize(
    ("error", "confidence", "message"),
    [
        ([1.0, 2.0], [1.0], "one confidence per error"),
        ([], [], "one confidence per error"),
        ([1.0, np.nan], [1.0, 2.0], "finite"),
        ([1.0, 2.0], [1.0, np.inf], "finite"),
    ],
)
def test_rejects_what_cannot_be_ranked(
    error: list[float], confidence: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sparsify(np.array(error), np.array(confidence))


def test_mean_of_no_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        mean([])
