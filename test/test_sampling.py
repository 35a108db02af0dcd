from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kitti_lines import hold_out_lines, line_indices
from benchmarks.sampling import (
    corner_points,
    misregistered,
    outliers,
    random_points,
    range_limited,
    range_noise,
    without_sector,
)


def depth() -> np.ndarray:
    return np.random.default_rng(0).uniform(1, 9, (480, 640)).astype(np.float32)


def test_points_are_samples_of_the_dense_map() -> None:
    dense = depth()

    sparse = random_points(dense, 500, seed=3)
    assert sparse.dtype == np.float32
    assert np.array_equal(sparse[sparse > 0], dense[sparse > 0])


def test_sampling_skips_unknown_depth() -> None:
    dense = depth()
    dense[:, :320] = 0

    assert not random_points(dense, 500, seed=0)[:, :320].any()


def test_random_points_are_as_many_as_asked_for() -> None:
    assert np.count_nonzero(random_points(depth(), 500, seed=0)) == 500


def test_random_points_of_a_poor_map_are_all_there_are() -> None:
    dense = np.zeros((48, 64), np.float32)
    dense[3, :7] = 2

    assert np.array_equal(random_points(dense, 500, seed=0), dense)


def test_the_seed_decides() -> None:
    first = random_points(depth(), 100, seed=1)

    assert np.array_equal(first, random_points(depth(), 100, seed=1))
    assert not np.array_equal(first, random_points(depth(), 100, seed=2))


def test_corners_are_where_the_image_has_some() -> None:
    image = np.full((480, 640, 3), 90, np.uint8)
    image[100:200, 300:420] = 220

    v, u = np.nonzero(corner_points(image, depth(), 50))

    assert len(v) == 4
    assert {(round(y, -2), round(x, -1)) for y, x in zip(v, u, strict=True)} == {
        (100, 300), (100, 420), (200, 300), (200, 420),
    }  # fmt: skip


def test_corners_keep_their_distance_and_the_limit() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    dense = depth()[:120, :160]
    dense[:, :80] = 0

    sparse = corner_points(image, dense, 100, spacing=6)

    points = np.argwhere(sparse > 0)
    assert 20 < len(points) <= 100
    assert points[:, 1].min() >= 80
    assert np.array_equal(sparse[sparse > 0], dense[sparse > 0])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert apart[apart > 0].min() >= 6


def test_corners_of_a_blank_image_are_none() -> None:
    assert not corner_points(np.zeros((480, 640, 3), np.uint8), depth(), 50).any()


def sparse_map() -> np.ndarray:
    return random_points(depth(), 1000, seed=5)


def test_outliers_are_the_stated_share_within_the_stated_range() -> None:
    sparse = sparse_map()

    faulty = outliers(sparse, 0.05, seed=1)

    changed = faulty != sparse
    assert np.count_nonzero(changed) == 50
    assert np.array_equal(faulty > 0, sparse > 0)
    known = sparse[sparse > 0]
    assert faulty[changed].min() >= known.min() / 2
    assert faulty[changed].max() <= known.max() * 2
    ratio = faulty[changed] / sparse[changed]
    assert np.median(np.maximum(ratio, 1 / ratio)) > 1.5  # they really are wrong


@pytest.mark.parametrize(("seed", "move"), [(0, (0, 2)), (1, (2, 0)), (2, (0, -2)), (3, (-2, 0))])
def test_misregistration_moves_every_point_by_the_stated_pixels(
    seed: int, move: tuple[int, int]
) -> None:
    sparse = np.zeros((60, 80), np.float32)
    sparse[10:50:7, 10:70:9] = np.random.default_rng(0).uniform(1, 9, (6, 7))

    assert np.array_equal(misregistered(sparse, 2, seed), np.roll(sparse, move, axis=(0, 1)))


def test_misregistration_loses_what_leaves_the_image() -> None:
    sparse = np.zeros((60, 80), np.float32)
    sparse[30, 79] = sparse[30, 3] = 4.0

    assert np.argwhere(misregistered(sparse, 2, seed=0)).tolist() == [[30, 5]]


def test_range_noise_has_the_stated_standard_deviation() -> None:
    sparse = depth()

    relative = range_noise(sparse, 0.02, seed=3) / sparse - 1

    assert relative.std() == pytest.approx(0.02, rel=0.01)
    assert abs(relative.mean()) < 1e-4
    assert np.abs(relative).max() <= 0.08 + 1e-6


def test_range_noise_makes_no_points() -> None:
    sparse = sparse_map()

    assert np.array_equal(range_noise(sparse, 0.02, seed=3) > 0, sparse > 0)


def test_range_noise_that_could_pass_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="share"):
        range_noise(sparse_map(), 0.25, seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_missing_sector_is_one_band_of_the_stated_width(seed: int) -> None:
    sparse = depth()

    lost = ~(without_sector(sparse, 0.25, seed) > 0).any(axis=0)

    columns = np.flatnonzero(lost)
    assert len(columns) == 160
    assert np.ptp(columns) == 159
    kept = without_sector(sparse, 0.25, seed)[:, ~lost]
    assert np.array_equal(kept, sparse[:, ~lost])


def test_range_limit_takes_the_stated_share_and_the_farthest() -> None:
    sparse = sparse_map()

    faulty = range_limited(sparse, 0.3)

    assert np.count_nonzero(faulty) == 700
    assert faulty.max() < sparse[(sparse > 0) & (faulty == 0)].min()


@pytest.mark.parametrize(
    "fault",
    [
        lambda sparse, seed: outliers(sparse, 0.05, seed),
        lambda sparse, seed: misregistered(sparse, 2, seed),
        lambda sparse, seed: range_noise(sparse, 0.02, seed),
        lambda sparse, seed: without_sector(sparse, 0.3, seed),
    ],
)
def test_the_seed_decides_a_fault_and_the_input_stays(fault) -> None:  # type: ignore[no-untyped-def]
    sparse = sparse_map()
    before = sparse.copy()

    assert np.array_equal(fault(sparse, 1), fault(sparse, 1))
    assert not np.array_equal(fault(sparse, 1), fault(sparse, 2))
    assert np.array_equal(sparse, before)


# LiDAR at the camera: x forward, y left, z up -> camera x right, y down, z forward.
RECT_FROM_LIDAR = np.array([[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
PROJECTION = np.array([[700, 0, 600, 40], [0, 700, 170, 0.2], [0, 0, 1, 0.003]])


def projected(elevations: list[float], heights: list[float]) -> np.ndarray:
    """One scan line per elevation at distances that vary along the line."""
    image = np.zeros((375, 1242), np.float32)
    for elevation, height in zip(elevations, heights, strict=True):
        azimuth = np.deg2rad(np.linspace(-35, 35, 700))
        distance = 10 + 8 * np.sin(9 * azimuth)
        z = height + distance * np.tan(np.deg2rad(elevation))
        points = np.stack(
            [distance * np.cos(azimuth), distance * np.sin(azimuth), z, np.ones_like(z)]
        )
        x, y, depth_ = PROJECTION @ RECT_FROM_LIDAR @ points
        u, v = np.rint(x / depth_).astype(int), np.rint(y / depth_).astype(int)
        inside = (u >= 0) & (u < 1242) & (v >= 0) & (v < 375)
        image[v[inside], u[inside]] = depth_[inside]
    return image


@pytest.mark.parametrize(
    ("elevation", "height", "line"), [(2.04, 0.20, 0), (-8.65, 0.20, 31), (-12.43, 0.115, 39)]
)
def test_kitti_points_are_assigned_to_their_laser(
    elevation: float, height: float, line: int
) -> None:
    image = projected([elevation], [height])
    lines = line_indices(image, PROJECTION, RECT_FROM_LIDAR)

    assert np.array_equal(lines >= 0, image > 0)
    assert np.count_nonzero(lines == line) >= 0.97 * np.count_nonzero(image)


def test_held_out_lines_are_whole_and_disjoint() -> None:
    image = projected([2.04, 1.67, 1.40, 0.97], [0.2] * 4)
    lines = np.where(image > 0, np.arange(375)[:, None] // 3, -1)

    kept, held_out = hold_out_lines(image, lines, keep_every=4)

    assert np.array_equal(kept + held_out, image)
    assert not set(lines[kept > 0]) & set(lines[held_out > 0])
    assert set(lines[kept > 0] % 4) == {2}
