"""Which points are taken for background that a LiDAR sees past the edges of nearer objects."""

from __future__ import annotations

import numpy as np
import pytest

from starrygazer_ros.completion.occlusion import occluded_points

HEIGHT, WIDTH = 120, 400
NEAR, FAR = 5.0, 20.0
BOARD = slice(100, 300)


def board(parallax: int) -> tuple[np.ndarray, np.ndarray]:
    """A board before a wall in scan lines, and the wall's points among those of the board.

    The LiDAR beside the camera sees ``parallax`` columns of the wall that the board hides.
    """
    sparse_depth = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse_depth[::6, ::2] = FAR
    sparse_depth[::6, BOARD] = 0
    sparse_depth[::6, BOARD][:, ::2] = NEAR
    hidden = np.zeros_like(sparse_depth, bool)
    hidden[::6, BOARD.start + 1 : BOARD.start + 1 + parallax : 2] = True
    sparse_depth[hidden] = FAR
    return sparse_depth, hidden


def test_finds_the_wall_among_the_points_of_the_board() -> None:
    sparse_depth, hidden = board(parallax=60)
    found = occluded_points(sparse_depth)
    assert hidden.any()
    assert found[hidden].all()
    wrongly = found & ~hidden
    assert not wrongly[sparse_depth == NEAR].any()
    # Only what lies right beside the board's edges is lost with them.
    columns = np.nonzero(wrongly.any(0))[0]
    assert all(min(abs(c - BOARD.start), abs(c - BOARD.stop)) <= 2 for c in columns)


def test_keeps_everything_beside_the_edges_of_a_rectified_pair() -> None:
    sparse_depth, _ = board(parallax=0)
    assert not occluded_points(sparse_depth).any()


def test_one_point_behind_a_board_says_nothing_about_the_image() -> None:
    sparse_depth, hidden = board(parallax=2)
    assert 0 < hidden.sum() < 50
    assert not occluded_points(sparse_depth).any()


def test_outliers_are_no_parallax() -> None:
    generator = np.random.default_rng(0)
    sparse_depth, _ = board(parallax=0)
    rows, columns = np.nonzero(sparse_depth)
    chosen = generator.random(len(rows)) < 0.05
    factors = np.exp(generator.uniform(-1, 1, chosen.sum()))
    sparse_depth[rows[chosen], columns[chosen]] *= factors
    assert not occluded_points(sparse_depth).any()


@pytest.mark.parametrize("factor", [0.125, 16.0])
def test_does_not_depend_on_the_unit(factor: float) -> None:
    sparse_depth, _ = board(parallax=60)
    scaled = occluded_points(np.float32(factor) * sparse_depth)
    np.testing.assert_array_equal(scaled, occluded_points(sparse_depth))


def test_depends_on_the_width_of_the_view_not_on_pixels() -> None:
    sparse_depth, _ = board(parallax=60)
    large = np.zeros((2 * HEIGHT, 2 * WIDTH), np.float32)
    large[::2, ::2] = sparse_depth
    np.testing.assert_array_equal(occluded_points(large)[::2, ::2], occluded_points(sparse_depth))


@pytest.mark.parametrize("shape", [(1, 1), (3, 2)])
def test_takes_the_smallest_images(shape: tuple[int, int]) -> None:
    assert not occluded_points(np.ones(shape, np.float32)).any()


@pytest.mark.filterwarnings("error")
def test_a_depth_close_to_zero_is_no_trouble() -> None:
    sparse_depth, hidden = board(parallax=60)
    sparse_depth[0, 0] = np.finfo(np.float32).smallest_subnormal
    found = occluded_points(sparse_depth)
    assert found[hidden].all()
    assert not found[0, 0]
