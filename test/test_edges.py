from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
from benchmarks.edges import depth_edges, near_depth_edges


def step(left: float = 2.0, right: float = 3.0) -> np.ndarray:
    """Two surfaces that meet between columns 19 and 20."""
    truth = np.full((30, 40), left, np.float32)
    truth[:, 20:] = right
    return truth


def columns(mask: np.ndarray) -> list[int]:
    assert (mask == mask[:1]).all()
    return np.flatnonzero(mask[0]).tolist()


def test_edge_is_on_both_sides_of_a_jump() -> None:
    assert columns(depth_edges(step())) == [19, 20]


def test_edges_between_rows_count_too() -> None:
    assert columns(depth_edges(step().T).T) == [19, 20]


def test_the_jump_counts_relative_to_the_depth() -> None:
    assert depth_edges(step(2.0, 2.3)).any()
    assert not depth_edges(step(20.0, 20.3)).any()
    assert not depth_edges(step(2.0, 2.19)).any()


def test_a_slope_is_no_edge() -> None:
    slope = np.tile(np.geomspace(1, 10, 40, dtype=np.float32), (30, 1))

    assert not depth_edges(slope).any()


def test_near_means_at_most_five_pixels_from_the_edge() -> None:
    assert columns(near_depth_edges(step())) == list(range(14, 26))


def test_distance_to_an_edge_is_euclidean() -> None:
    truth = np.full((31, 31), 2.0, np.float32)
    truth[15, 15] = 9.0

    near = near_depth_edges(truth)

    assert near[15, 21]  # 5 pixels from (15, 16), the neighbour
    assert not near[15, 22]
    assert near[19, 18]  # (4, 2) from (15, 16)
    assert not near[20, 19]  # more than 5 from every edge pixel


def test_the_edge_of_two_surfaces_is_found_in_the_hole_between_them() -> None:
    truth = step()
    truth[:, 16:24] = 0

    assert columns(near_depth_edges(truth) & (truth > 0)) == [14, 15, 24, 25]


def test_the_border_of_a_hole_in_one_surface_is_no_edge() -> None:
    truth = step(2.0, 2.0)
    truth[5:20, 10:30] = np.nan

    assert not near_depth_edges(truth).any()


def test_nothing_known_has_no_edges() -> None:
    assert not near_depth_edges(np.zeros((10, 10), np.float32)).any()
