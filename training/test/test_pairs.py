"""StarryGazer pairs: what is random and what must hold in every draw."""

from __future__ import annotations

import numpy as np
import pytest
from starrygazer_training.pairs import (
    RescalingLaw,
    pseudo_ground_truth,
)
from starrygazer_training.segmentation import SegmentParams, segment

SHAPE = (96, 128)


def photograph() -> tuple[np.ndarray, np.ndarray]:
    """A near box before a far wall: image uint8 [H, W, 3], relative inverse depth."""
    image = np.full((*SHAPE, 3), 200, np.uint8)
    relative = np.full(SHAPE, 0.1, np.float32)
    image[30:70, 40:90] = (30, 60, 120)
    relative[30:70, 40:90] = 0.8
    return image, relative


@pytest.mark.parametrize("seed", range(20))
def test_pseudo_ground_truth_is_finite_and_repeatable(seed: int) -> None:
    _, relative = photograph()
    segments = segment(relative)
    first = pseudo_ground_truth(relative, segments, np.random.default_rng(seed))
    second = pseudo_ground_truth(relative, segments, np.random.default_rng(seed))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.ptp(first) < np.log(2000)


def test_segments_are_rescaled_against_each_other() -> None:
    _, relative = photograph()
    segments = segment(relative)
    steps = [
        float(d[50, 65] - d[5, 65])
        for d in (
            pseudo_ground_truth(relative, segments, np.random.default_rng(seed))
            for seed in range(60)
        )
    ]
    assert np.std(steps) > 0.3  # the step between the two objects is random


def test_without_rescaling_the_order_of_relative_depth_remains() -> None:
    _, relative = photograph()
    law = RescalingLaw(group_scale=(0, 0), segment_scale=(0, 0), tilt=(0, 0), warp=(0, 0))
    for seed in range(10):
        log_depth = pseudo_ground_truth(
            relative, segment(relative), np.random.default_rng(seed), law
        )
        assert log_depth[50, 65] < log_depth[5, 5]


def test_a_depth_step_is_as_sharp_as_the_photograph() -> None:
    import cv2

    image, relative = photograph()
    blurred = cv2.GaussianBlur(relative, (0, 0), 4)
    segments = segment(blurred, image, SegmentParams(channels="depth+rgb"))
    law = RescalingLaw(group_scale=(0, 0), segment_scale=(0, 0), tilt=(0, 0), warp=(0, 0))
    sharper = 0
    for seed in range(10):
        log_depth = pseudo_ground_truth(blurred, segments, np.random.default_rng(seed), law)
        step = np.abs(np.diff(log_depth[50])).max() / np.ptp(log_depth[50])
        blurred_step = np.abs(np.diff(-np.log(blurred[50] + 0.1))).max()
        blurred_step /= np.ptp(-np.log(blurred[50] + 0.1))
        sharper += step > 1.5 * blurred_step
    assert sharper >= 8
