"""What a benchmark does to image, sparse depth and time is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.degradations import (
    HALVES,
    EgoMotion,
    blurred,
    desynchronised,
    exposed,
    half_missing,
)
from starrygazer_ros.completion import Intrinsics

HEIGHT, WIDTH = 60, 80
CAMERA = Intrinsics(100.0, 100.0, 40.0, 30.0, WIDTH, HEIGHT)


def grey(level: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def points() -> np.ndarray:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[5::10, 5::10] = 10
    return sparse


def test_driving_forward_brings_points_nearer_and_outward() -> None:
    later = desynchronised(points(), CAMERA, EgoMotion(forward=10.0, turn=0.0), 0.1)
    assert later[later > 0] == pytest.approx(9.0)
    rows, _ = np.nonzero(later)
    assert rows.min() < 5  # 25 above the centre becomes 28
    assert rows.max() > 55


def test_turning_right_moves_points_to_the_left() -> None:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[30, 40] = 10
    later = desynchronised(sparse, CAMERA, EgoMotion(forward=0.0, turn=1.0), 0.05)
    assert np.argwhere(later).tolist() == [[30, 35]]  # 0.05 rad at 100 pixels a radian


def test_without_time_nothing_moves() -> None:
    moved = desynchronised(points(), CAMERA, EgoMotion(forward=10.0, turn=1.0), 0.0)
    assert moved == pytest.approx(points())


@pytest.mark.parametrize("half", HALVES)
def test_half_of_the_image_has_no_points_and_the_other_has_all(half: str) -> None:
    left = half_missing(points(), half)
    assert np.count_nonzero(left) == np.count_nonzero(points()) / 2
    gone = {
        "left": left[:, : WIDTH // 2],
        "right": left[:, WIDTH // 2 :],
        "top": left[: HEIGHT // 2],
    }
    assert not gone[half].any()


def test_there_is_no_other_half() -> None:
    with pytest.raises(ValueError, match="half is one of left, right, top, got 'bottom'"):
        half_missing(points(), "bottom")


def test_a_stop_is_half_of_the_light() -> None:
    darker = exposed(grey(200), -1.0, seed=0).mean()
    assert darker == pytest.approx(200 * 0.5 ** (1 / 2.2), abs=1)
    assert exposed(grey(200), 3.0, seed=0).min() > 240
    assert exposed(grey(200), -1.0, seed=0).std() == pytest.approx(2, abs=0.3)  # its noise
    assert np.array_equal(exposed(grey(200), 0.0, seed=0), grey(200))


def test_blurring_keeps_the_mean_and_takes_the_detail() -> None:
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    soft = blurred(image, 3.0)
    assert soft.mean() == pytest.approx(image.mean(), abs=2)
    assert soft.std() < image.std() / 5
    assert np.array_equal(blurred(image, 0.0), image)
