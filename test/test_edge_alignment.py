"""Jumps of the sparse depth beside the edges of the image tell how far it is shifted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from starrygazer_ros.completion.edge_alignment import FEWEST, MOST_OF_FRAME, EdgeAlignment

HEIGHT, WIDTH = 200, 240
Arrays = tuple[NDArray[np.uint8], NDArray[np.float32]]


def scene(seed: int, noise: float = 8.0) -> Arrays:
    """Boxes before a wall, each with its own grey level, as a noisy image and as dense depth."""
    random = np.random.default_rng(seed)
    grey = np.full((HEIGHT, WIDTH), 90.0)
    depth = np.full((HEIGHT, WIDTH), 8, np.float32)
    for _ in range(6):
        top, left = random.integers(0, HEIGHT - 60), random.integers(0, WIDTH - 60)
        box = (
            slice(top, top + random.integers(30, 60)),
            slice(left, left + random.integers(30, 60)),
        )
        grey[box] = random.uniform(0, 255)
        depth[box] = random.uniform(1, 5)
    grey += random.normal(0, noise, grey.shape)
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return image, depth


def lines(depth: NDArray[np.float32], right: int = 0, down: int = 0) -> NDArray[np.float32]:
    """Every fifth row, every second pixel of it, shifted."""
    sparse_depth = np.zeros_like(depth)
    sparse_depth[2::5, ::2] = depth[2::5, ::2]
    return np.roll(sparse_depth, (down, right), (0, 1))


def seen(right: int = 0, down: int = 0, frames: int = 12) -> EdgeAlignment:
    alignment = EdgeAlignment()
    for seed in range(frames):
        image, depth = scene(seed)
        alignment.add(image, lines(depth, right, down))
    return alignment


@pytest.mark.parametrize("shift", [-6, -3, 0, 4, 7])
def test_tells_how_far_the_sparse_depth_lies_to_the_right(shift: int) -> None:
    right = seen(right=shift).right
    assert right is not None
    assert right.pixels == pytest.approx(shift, abs=1)
    assert right.jumps >= FEWEST


@pytest.mark.parametrize("shift", [-6, 0, 6])
def test_tells_how_far_it_lies_down(shift: int) -> None:
    down = seen(down=shift).down
    assert down is not None
    assert down.pixels == pytest.approx(shift, abs=2)  # the lines are five pixels apart


def random_points(depth: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """One pixel of a hundred: hardly any two in one row."""
    chosen = np.random.default_rng(seed).random(depth.shape) < 0.01
    return np.where(chosen, depth, np.float32(0))


@pytest.mark.parametrize(("right", "down"), [(0, 0), (5, 0), (-6, 0), (0, 5), (0, -6)])
def test_points_that_lie_on_no_lines_tell_it_too(right: int, down: int) -> None:
    alignment = EdgeAlignment()
    for seed in range(60):
        image, depth = scene(seed)
        alignment.add(image, np.roll(random_points(depth, seed), (down, right), (0, 1)))
    for found, shift in ((alignment.right, right), (alignment.down, down)):
        if found is not None:
            assert found.pixels == pytest.approx(shift, abs=1)
    across = alignment.right if right else alignment.down
    assert across is not None


def test_says_nothing_after_too_few_jumps() -> None:
    alignment = EdgeAlignment()
    image, depth = scene(0)
    depth[:] = 3
    alignment.add(image, lines(depth))
    alignment.add(image, np.zeros_like(depth))
    assert (alignment.right, alignment.down) == (None, None)


def test_says_nothing_where_the_image_has_no_edges_at_the_jumps() -> None:
    alignment = EdgeAlignment()
    for seed in range(12):
        image, _ = scene(seed + 100)
        alignment.add(image, lines(scene(seed)[1]))
    assert (alignment.right, alignment.down) == (None, None)


def test_of_a_large_image_a_window_is_looked_at_elsewhere_each_time() -> None:
    alignment = EdgeAlignment()
    for seed in range(12):
        image, depth = (np.tile(a, (5, 5, 1)[: a.ndim]) for a in scene(seed))
        alignment.add(np.ascontiguousarray(image), lines(depth, right=5))
    assert alignment.right is not None
    assert alignment.right.pixels == pytest.approx(5, abs=1)
    assert alignment.right.jumps < 12 * 2 * MOST_OF_FRAME


def test_what_was_long_ago_is_forgotten() -> None:
    alignment = seen(right=6)
    for seed in range(100):
        image, depth = scene(seed)
        alignment.add(image, lines(depth))
    assert alignment.right is not None
    assert alignment.right.pixels == 0
