"""Which points are taken for background that a LiDAR sees past the edges of nearer objects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rays import INTRINSICS, Scan, scan
from starrygazer_ros.completion import occlusion
from starrygazer_ros.completion.occlusion import occluded_points, points_hidden_from_camera

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


def with_outliers(sparse_depth: np.ndarray, share: float) -> np.ndarray:
    """A share of the points is up to e times nearer or farther."""
    generator = np.random.default_rng(0)
    changed = sparse_depth.copy()
    rows, columns = np.nonzero(sparse_depth)
    chosen = generator.permutation(len(rows))[: round(share * len(rows))]
    factors = np.exp(
        generator.choice((-1, 1), len(chosen)) * generator.uniform(0.3, 1, len(chosen))
    )
    changed[rows[chosen], columns[chosen]] *= factors
    return changed


def room(spacing: int, share: float) -> np.ndarray:
    """A slope without any edge, with outliers."""
    depth = np.tile(np.linspace(2, 3, WIDTH, dtype=np.float32), (HEIGHT, 1))
    sparse_depth = np.zeros_like(depth)
    sparse_depth[::spacing, ::spacing] = depth[::spacing, ::spacing]
    return with_outliers(sparse_depth, share)


@pytest.mark.parametrize("spacing", [1, 2, 3])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.2])
def test_outliers_are_no_parallax(spacing: int, share: float) -> None:
    assert not occluded_points(room(spacing, share)).any()
    rectified, _ = board(parallax=0)
    assert not occluded_points(with_outliers(rectified, share)).any()


def test_far_outliers_are_no_wall_seen_past_edges() -> None:
    sparse_depth = room(2, 0)
    sparse_depth[::4] = 0  # no denser than a LiDAR
    rows, columns = np.nonzero(sparse_depth)
    far = np.random.default_rng(0).permutation(len(rows))[: round(0.025 * len(rows))]
    sparse_depth[rows[far], columns[far]] *= 2
    assert not occluded_points(sparse_depth).any()


def test_what_is_hardly_nearer_hides_nothing() -> None:
    for depth, found in ((FAR / 1.3, True), (FAR / 1.1, False)):
        sparse_depth, _ = board(parallax=60)
        sparse_depth[sparse_depth == NEAR] = depth
        assert occluded_points(sparse_depth).any() == found


def test_a_small_image_has_too_few_points_to_judge() -> None:
    sparse_depth, hidden = board(parallax=60)
    few = sparse_depth[:6]
    assert 0.02 * np.count_nonzero(few) < hidden[:6].sum() < 50
    assert not occluded_points(few).any()


def test_looks_above_and_below_too() -> None:
    """A wall seen past the lower edge of a board, between two of its scan lines."""
    sparse_depth = np.zeros((600, 600), np.float32)
    sparse_depth[::4, ::3] = NEAR
    sparse_depth[2::4] = 0
    sparse_depth[2:300:4, 1::3] = FAR
    sparse_depth[2:300:4, ::3] = 0
    wall = sparse_depth == FAR
    assert occluded_points(sparse_depth)[wall].all()


def test_finds_the_wall_among_the_points_of_the_board_beside_some_outliers() -> None:
    sparse_depth, hidden = board(parallax=60)
    found = occluded_points(with_outliers(sparse_depth, 0.01))
    assert found[hidden].mean() > 0.95
    # Without the outliers as evidence, next to nothing else is lost.
    assert (found & ~hidden).sum() < 0.02 * np.count_nonzero(sparse_depth)


def test_leaves_an_image_full_of_outliers_alone() -> None:
    sparse_depth, _ = board(parallax=60)
    assert not occluded_points(with_outliers(sparse_depth, 0.1)).any()


def test_leaves_depth_denser_than_a_lidar_alone() -> None:
    sparse_depth, _ = board(parallax=60)
    assert 0.08 < np.mean(sparse_depth > 0) < 0.2
    dense = np.repeat(sparse_depth[::6], 3, axis=0)
    assert np.mean(dense > 0) > 0.2
    assert not occluded_points(dense).any()


def test_a_few_of_many_points_say_nothing_about_the_image() -> None:
    """One point in fifty must be surrounded, whatever the size of the image."""
    sparse_depth, hidden = board(parallax=60)
    share = hidden.sum() / np.count_nonzero(sparse_depth)
    for copies, found in ((1, True), (math.floor(share / 0.02) + 3, False)):
        plain, _ = board(parallax=0)
        tall = np.concatenate([sparse_depth] + [plain] * (copies - 1))
        assert np.count_nonzero(hidden) >= 50
        assert occluded_points(tall).any() == found


def test_edges_that_are_seen_from_one_side_outweigh_those_seen_past() -> None:
    """Many thin objects before a wall: what lies beside them is right."""
    sparse_depth, _ = board(parallax=60)
    poles = np.zeros_like(sparse_depth)
    poles[::6, ::2] = FAR
    for left in range(3, WIDTH, 16):
        poles[::6, left : left + 4] = NEAR
    assert not occluded_points(np.concatenate([sparse_depth, poles])).any()


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


PLACES = {
    "as on KITTI": (0.057, -0.075, -0.27),
    "beside the camera": (0.3, 0.0, 0.0),
    "above and behind it": (0.0, -0.3, -0.3),
    "on the roof": (0.15, -0.5, -1.0),
}


def in_image(measured: Scan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest points of each pixel, their pixels, and which of them are hidden."""
    points = measured.points + measured.frame_from_lidar[:3, 3]
    x, y, z = points.T
    u = np.rint(INTRINSICS.fx * x / z + INTRINSICS.cx)
    v = np.rint(INTRINSICS.fy * y / z + INTRINSICS.cy)
    shown = np.flatnonzero(
        (z > 0) & (u >= 0) & (u < INTRINSICS.width) & (v >= 0) & (v < INTRINSICS.height)
    )
    shown = shown[np.argsort(z[shown], kind="stable")]
    pixels = (v[shown] * INTRINSICS.width + u[shown]).astype(np.intp)
    pixels, first = np.unique(pixels, return_index=True)
    shown = shown[first]
    return points[shown].astype(np.float32), pixels, measured.hidden[shown]


def found_from(place: tuple[float, float, float], origins: np.ndarray | None = None):
    points, pixels, hidden = in_image(scan(place))
    origins = np.array(place, np.float32) if origins is None else origins
    found = points_hidden_from_camera(points, pixels, 1242, INTRINSICS.fx, origins)
    return found, hidden


@pytest.mark.parametrize("name", PLACES)
def test_knowing_where_the_lidar_is_finds_what_the_camera_cannot_see(name: str) -> None:
    found, hidden = found_from(PLACES[name])
    assert hidden.sum() > 100
    assert found[hidden].mean() > 0.6
    assert found[~hidden].mean() < 0.006


def test_nothing_is_hidden_from_a_lidar_in_the_cameras_place() -> None:
    found, hidden = found_from((0.0, 0.0, 0.0))
    assert not hidden.any()
    assert not found.any()


def test_hidden_points_are_found_whatever_sensor_each_was_measured_from() -> None:
    points, pixels, hidden = in_image(scan(PLACES["beside the camera"]))
    origins = np.tile(np.array(PLACES["beside the camera"], np.float32), (len(points), 1))
    arguments = (points, pixels, 1242, INTRINSICS.fx)
    found = points_hidden_from_camera(*arguments, origins)
    np.testing.assert_array_equal(found, points_hidden_from_camera(*arguments, origins[0]))
    origins[hidden] = 0  # the camera itself has measured these
    assert not points_hidden_from_camera(*arguments, origins)[hidden].any()


def test_hidden_points_are_the_same_however_many_are_looked_at_together(monkeypatch) -> None:
    found, _ = found_from(PLACES["on the roof"])
    monkeypatch.setattr(occlusion, "MOST_PAIRS", 5000)
    again, _ = found_from(PLACES["on the roof"])
    np.testing.assert_array_equal(found, again)


def test_no_points_hide_nothing() -> None:
    nothing = np.empty((0, 3), np.float32), np.empty(0, np.intp)
    assert points_hidden_from_camera(*nothing, 100, 50.0, np.zeros(3, np.float32)).shape == (0,)


@pytest.mark.parametrize("shape", [(37, 53), (5, 90), (1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (4, 20)])
def test_the_largest_around_leaves_out_the_pixel_itself(shape, rows, columns):
    random = np.random.default_rng(0)
    values = random.integers(1, 2**16, shape, np.uint16)
    values[random.uniform(size=shape) < 0.7] = 0
    found = occlusion._largest_around(values, rows, columns)
    for (y, x), largest in np.ndenumerate(found):
        window = values.copy()
        window[y, x] = 0
        top, left = max(0, y - rows), max(0, x - columns)
        assert largest == window[top : y + rows + 1, left : x + columns + 1].max()
