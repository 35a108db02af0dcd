from __future__ import annotations

import numpy as np

from starrygazer_ros.completion.flying_pixels import flying_pixels


def test_marks_what_hangs_between_the_two_sides_of_an_edge():
    row = [2.0, 2.0, 2.5, 3.2, 4.0, 4.0]
    flying = flying_pixels(np.array([row] * 4, np.float32), 0.1)
    assert flying.all(axis=0).tolist() == [False, False, True, True, False, False]
    assert not flying[:, [0, 1, 4, 5]].any()


def test_keeps_both_sides_of_a_clean_edge():
    depth = np.full((6, 8), 2, np.float32)
    depth[:, 4:] = 5
    assert not flying_pixels(depth, 0.05).any()


def test_keeps_a_slope_that_is_flatter_than_the_ratio():
    slope = np.tile((2 * 1.04 ** np.arange(30)).astype(np.float32), (5, 1))
    assert not flying_pixels(slope, 0.05).any()
    assert flying_pixels(slope, 0.03)[:, 1:-1].all()


def test_unknown_depth_is_neither_near_nor_far():
    depth = np.full((3, 3), 2, np.float32)
    depth[0], depth[2, 0] = np.nan, 4
    assert not flying_pixels(depth, 0.1).any()
    assert not flying_pixels(np.full((3, 3), np.nan, np.float32), 0.1).any()
