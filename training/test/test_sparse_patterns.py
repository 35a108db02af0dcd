"""Sparse patterns and sensor faults: what each does alone, and what holds in every random draw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from starrygazer_training.sparse.coverage import drop_above, drop_sectors, limit_range
from starrygazer_training.sparse.faults import (
    add_outliers,
    add_range_noise,
    misregister,
    quantise,
)
from starrygazer_training.sparse.law import MINIMUM_POINTS, PatternLaw, sample_sparse
from starrygazer_training.sparse.parallax import SensorBeside
from starrygazer_training.sparse.patterns import (
    Scanner,
    corners,
    grid,
    random_points,
    scan_lines,
)

SHAPE = (128, 160)
NEAR, FAR = 2.0, 10.0
BOX = np.zeros(SHAPE, bool)
BOX[40:90, 50:110] = True


def scene() -> np.ndarray:
    """Depth [m] of a near box before a far wall."""
    return np.where(BOX, NEAR, FAR).astype(np.float32)


def slope() -> np.ndarray:
    """Depth [m] from 1 to 20 that no pixel has twice."""
    return np.linspace(1, 20, SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)


def photograph() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Patterns.


@pytest.mark.parametrize("count", [5, 500, 20_000])
def test_random_points_are_as_many_as_asked(count: int) -> None:
    assert random_points(SHAPE, rng(), count).sum() == count


def test_random_points_lie_where_depth_exists() -> None:
    mask = random_points(SHAPE, rng(), 100, BOX)
    assert mask.sum() == 100
    assert not (mask & ~BOX).any()
    np.testing.assert_array_equal(random_points(SHAPE, rng(), 10**6, BOX), BOX)


def rows_hit(mask: np.ndarray, column: int) -> np.ndarray:
    """Rows with a point within two columns of this one, adjacent ones as one."""
    rows = np.flatnonzero(mask[:, column - 2 : column + 3].any(1))
    return rows[np.diff(rows, prepend=-9) > 1]


@pytest.mark.parametrize("lines", [4, 16, 32])
def test_a_scanner_draws_so_many_lines_evenly(lines: int) -> None:
    mask = scan_lines(SHAPE, rng(), Scanner(lines))
    rows = rows_hit(mask, SHAPE[1] // 2)
    assert abs(len(rows) - lines) <= 1
    assert np.abs(np.diff(rows) - SHAPE[0] / lines).max() <= 1.5


def test_lines_bend_away_from_the_horizon() -> None:
    mask = scan_lines(SHAPE, rng(), Scanner(4, field_of_view=100))
    middle, side = rows_hit(mask, 80), rows_hit(mask, 3)
    focal = 80 / np.tan(np.deg2rad(50))
    expected = 63.5 + (middle - 63.5) * np.hypot(1, 76.5 / focal)
    for row in expected[(expected > 0) & (expected < 127)]:
        assert np.abs(side - row).min() <= 3


def test_pitch_moves_the_horizon_and_roll_tilts_the_lines() -> None:
    lines = Scanner(128, crowding=0.7, step=1)
    level = scan_lines(SHAPE, rng(), lines).sum(1)
    pitched = scan_lines(SHAPE, rng(), replace(lines, pitch=10)).sum(1)
    assert abs(np.average(np.arange(128), weights=level**8.0) - 63.5) < 8
    assert np.average(np.arange(128), weights=pitched**8.0) > 70
    rolled = scan_lines(SHAPE, rng(1), Scanner(4, roll=10))
    left, right = rows_hit(rolled, 40), rows_hit(rolled, 120)
    assert min(abs(right[len(right) // 2] - left - 80 * np.tan(np.deg2rad(10)))) < 4


def test_crowded_lines_stand_closer_near_the_horizon() -> None:
    rows = rows_hit(scan_lines(SHAPE, rng(), Scanner(16, crowding=0.6)), 80)
    gaps = np.diff(rows)
    assert gaps[len(gaps) // 2] < 0.6 * gaps[0]
    assert gaps[len(gaps) // 2] < 0.6 * gaps[-1]


def test_a_scanner_loses_beams_points_and_runs() -> None:
    whole = scan_lines(SHAPE, rng(), Scanner(32))
    beams = scan_lines(SHAPE, rng(), Scanner(32, missing=0.5))
    assert 0.25 < len(rows_hit(beams, 80)) / len(rows_hit(whole, 80)) < 0.8
    points = scan_lines(SHAPE, rng(), Scanner(32, dropout=0.3))
    assert points.sum() == pytest.approx(0.7 * whole.sum(), rel=0.1)
    runs = scan_lines(SHAPE, rng(), Scanner(32, run_dropout=0.3))
    assert runs.sum() == pytest.approx(0.7 * whole.sum(), rel=0.2)
    # Lost in runs: a lost point's neighbour on the line is lost, too.
    columns = Scanner(8, step=1, run_dropout=0.3), Scanner(8, step=1, dropout=0.3)
    in_runs, alone = (scan_lines(SHAPE, rng(), s).any(0).sum() for s in columns)
    assert in_runs <= alone


def test_the_azimuth_step_is_the_distance_of_points() -> None:
    mask = scan_lines(SHAPE, rng(), Scanner(8, step=4))
    columns = np.flatnonzero(mask[50:78].any(0))
    assert np.diff(columns[20:-20] if len(columns) > 60 else columns).mean() == pytest.approx(
        4, rel=0.15
    )


def test_corners_lie_on_the_corners_of_the_image() -> None:
    image = np.full((*SHAPE, 3), 40, np.uint8)
    image[BOX] = 220
    expected = {(40, 50), (40, 109), (89, 50), (89, 109)}
    for photo in (image, image.astype(np.float32) / 255):
        found = set(
            zip(*map(np.ndarray.tolist, np.nonzero(corners(photo, rng(), 50))), strict=True)
        )
        assert len(found) == 4
        for v, u in found:
            assert min(abs(v - y) + abs(u - x) for y, x in expected) <= 2


def test_corners_are_at_most_as_many_as_asked_and_none_without_texture() -> None:
    assert 30 <= corners(photograph(), rng(), 60).sum() <= 60
    assert corners(np.full((*SHAPE, 3), 99, np.uint8), rng(), 60).sum() == 0


def test_jitter_moves_corners_a_little() -> None:
    still, moved = corners(photograph(), rng(), 40), corners(photograph(), rng(), 40, jitter=1.0)
    assert (still & moved).sum() < still.sum()
    assert abs(int(moved.sum()) - int(still.sum())) <= 3


def test_a_grid_is_regular() -> None:
    mask = grid(SHAPE, rng(), 8)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert set(np.diff(rows)) == set(np.diff(columns)) == {8}
    assert mask.sum() == len(rows) * len(columns) == 16 * 20


# Coverage.


def test_range_limit_keeps_the_nearer_points() -> None:
    kept = limit_range(slope(), 0.4)
    assert (kept > 0).mean() == pytest.approx(0.4, abs=0.01)
    assert kept.max() < slope()[kept == 0].min()


def test_nothing_is_seen_upwards() -> None:
    kept = drop_above(scene(), 0.25)
    assert (kept[:32] == 0).all()
    np.testing.assert_array_equal(kept[32:], scene()[32:])


@pytest.mark.parametrize("seed", range(5))
def test_sectors_are_vertical_wedges(seed: int) -> None:
    kept = drop_sectors(scene(), rng(seed), 1, 0.2)
    lost = (kept == 0).sum(1)
    assert (np.diff(np.flatnonzero((kept == 0).any(0))) == 1).all()
    assert 0 < lost.mean() <= 0.2 * SHAPE[1] * 1.1
    assert (lost > 0).all()


# Faults.


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_relative_noise_has_its_sigma_at_every_depth(sigma: float) -> None:
    error = np.log(add_range_noise(slope(), rng(), relative=sigma) / slope())
    for part in (error[:40], error[-40:]):
        assert part.std() == pytest.approx(sigma, rel=0.05)
        assert abs(part.mean()) < 0.1 * sigma


def test_quadratic_noise_grows_with_the_square_of_depth() -> None:
    depth = slope()
    error = np.abs(add_range_noise(depth, rng(), quadratic=0.02) - depth)
    near, far = (np.abs(depth - z) < 0.5 for z in (4.0, 16.0))
    assert error[far].mean() / error[near].mean() == pytest.approx(16, rel=0.15)
    middle = np.abs(depth - np.median(depth)) < 0.5
    assert (error[middle] / depth[middle]).std() < 0.02


def test_noise_and_outliers_stay_positive_and_where_the_points_were() -> None:
    sparse = np.where(random_points(SHAPE, rng(), 300), slope(), 0).astype(np.float32)
    for wrong in (
        add_range_noise(sparse, rng(), relative=2.0),
        add_outliers(sparse, rng(), 1.0),
        quantise(sparse, 50.0),
    ):
        np.testing.assert_array_equal(wrong > 0, sparse > 0)
        assert wrong.dtype == np.float32
        assert np.isfinite(wrong).all()


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_outliers_are_the_share_asked_for(share: float) -> None:
    wrong = add_outliers(slope(), rng(), share)
    assert (wrong != slope()).mean() == pytest.approx(share, abs=1e-3)
    assert wrong.min() >= 0.5
    assert wrong.max() <= 40


def test_misregistration_shifts_all_points() -> None:
    moved = misregister(scene(), shift=(3, -2))
    np.testing.assert_array_equal(moved[:-2, 3:], scene()[2:, :-3])
    assert (moved[-2:] == 0).all()
    assert (moved[:, :3] == 0).all()


def test_parallax_moves_near_points_more_and_they_win() -> None:
    moved = misregister(scene(), parallax=(5, 0))
    np.testing.assert_array_equal(moved[60, 55:115], np.full(60, NEAR, np.float32))
    assert moved[60, 50] == FAR  # the wall moved by one pixel; behind the box nothing is known
    assert (moved[60, 51:55] == 0).all()


def test_misregistration_takes_sparse_points() -> None:
    sparse = np.zeros(SHAPE, np.float32)
    sparse[10, 20] = 7.0
    moved = misregister(sparse, shift=(1.6, 0))
    assert moved[10, 22] == 7.0
    assert (moved > 0).sum() == 1


def test_a_sensor_beside_sees_past_an_edge_and_casts_a_shadow() -> None:
    sensor = SensorBeside(scene(), (-10, 0))  # the wall moves 2 pixels, the box 10
    seen = sensor.view()
    np.testing.assert_array_equal(seen[60, 40:100], np.full(60, NEAR, np.float32))
    np.testing.assert_array_equal(np.delete(seen[60], np.s_[40:100]), np.full(100, FAR, np.float32))
    points = sensor.in_camera(seen)
    through = BOX & (points == FAR)
    assert not through.any(), "where the box has points of its own, they lie in front"
    assert (points[60, 42:50] == 0).all(), "the wall in the box's shadow is not measured"
    assert (points[60, 50:110] == NEAR).all()

    every_third = np.where(np.arange(SHAPE[1]) % 3 == 0, seen, 0).astype(np.float32)
    points = sensor.in_camera(every_third)
    through = BOX & (points == FAR)
    assert list(np.flatnonzero(through[60])) == [104, 107], "seen past the edge, between the box's"
    assert list(np.flatnonzero(points[60] == NEAR)) == list(range(52, 110, 3))


def test_a_sensor_beside_invents_no_depth_where_there_is_none() -> None:
    depth = scene()
    depth[~BOX] = 0
    seen = SensorBeside(depth, (0, 6)).view()
    assert set(np.unique(seen)) == {0.0, NEAR}
    assert (seen[46:96, 50:110] == NEAR).all()
    assert (seen > 0).sum() == BOX.sum()


def test_quantisation_rounds_to_steps_and_never_to_none() -> None:
    rounded = quantise(slope(), 0.5)
    np.testing.assert_allclose(rounded * 2, np.rint(rounded * 2))
    assert np.abs(rounded - slope()).max() <= 0.25 + 1e-6
    assert (quantise(slope(), 100.0) == 100.0).all()


def test_an_empty_map_stays_empty() -> None:
    nothing = np.zeros(SHAPE, np.float32)
    for changed in (
        limit_range(nothing, 0.5),
        add_range_noise(nothing, rng(), 0.1, 0.1),
        add_outliers(nothing, rng(), 0.5),
        misregister(nothing, (3, 0), (2, 0)),
        SensorBeside(nothing, (3, 0)).view(),
        SensorBeside(nothing, (3, 0)).in_camera(nothing),
        quantise(nothing, 0.1),
        drop_sectors(nothing, rng(), 2),
    ):
        assert (changed == 0).all()


# Random draws.


@pytest.mark.parametrize("seed", range(60))
def test_every_draw_can_be_completed(seed: int) -> None:
    log_depth = np.log(scene())
    valid = np.ones(SHAPE, bool)
    valid[:30] = False  # sky
    image = photograph() if seed % 2 else None
    sparse = sample_sparse(log_depth, rng(seed), image, valid)
    known = sparse > 0
    assert sparse.dtype == np.float32
    assert np.isfinite(sparse).all()
    assert (sparse >= 0).all()
    assert MINIMUM_POINTS <= known.sum() <= 0.4 * valid.sum()
    assert not known[~valid].any()
    again = sample_sparse(log_depth, rng(seed), image, valid)
    np.testing.assert_array_equal(sparse, again)


@pytest.mark.parametrize("factor", [0.01, 50.0])
def test_the_scale_of_the_scene_does_not_matter(factor: float) -> None:
    log_depth = np.log(slope()) + np.random.default_rng(9).normal(0, 0.2, SHAPE)
    log_depth = log_depth.astype(np.float32)
    for seed in range(60):
        one = sample_sparse(log_depth, rng(seed))
        other = sample_sparse((log_depth + np.log(factor)).astype(np.float32), rng(seed))
        same = np.isclose(other, factor * one, rtol=1e-4)
        assert same.mean() > 0.999  # a rounding may fall the other way


def test_without_faults_every_point_is_right() -> None:
    log_depth = np.log(slope())
    for seed in range(80):
        sparse = sample_sparse(log_depth, rng(seed), law=PatternLaw.without_faults())
        known = sparse > 0
        np.testing.assert_allclose(sparse[known], slope()[known], rtol=1e-5)


def test_most_draws_have_no_fault() -> None:
    log_depth, depth = np.log(scene()), scene()
    right = 0
    for seed in range(300):
        sparse = sample_sparse(log_depth, rng(seed))
        right += bool(np.allclose(sparse[sparse > 0], depth[sparse > 0], rtol=1e-5))
    assert 0.5 < right / 300 < 0.7  # missing sectors and misregistration on a plane show nothing
    law = PatternLaw()
    others = (
        law.missing_sector_probability,
        law.noise_probability,
        law.outlier_probability,
        law.misregistration_probability,
        law.quantisation_probability,
    )
    lines, rest = law.scan_parallax_probability, law.parallax_probability
    beside = law.lines * lines + (1 - law.lines) * rest
    assert np.prod([1 - p for p in (*others, beside)]) == pytest.approx(0.43, abs=0.03)


@pytest.mark.parametrize("kind", ["points", "lines", "corners", "grid"])
def test_a_law_can_ask_for_one_pattern(kind: str) -> None:
    others = dict.fromkeys(("points", "lines", "corners", "grid"), 0.0)
    law = replace(PatternLaw.without_faults(), **{**others, kind: 1.0})
    counts = [
        (sample_sparse(np.log(scene()), rng(s), photograph(), law=law) > 0).sum() for s in range(30)
    ]
    assert min(counts) >= MINIMUM_POINTS
    assert max(counts) > 3 * min(counts)


def test_points_span_the_numbers_of_the_law() -> None:
    law = replace(
        PatternLaw.without_faults(), lines=0, corners=0, grid=0, range_limit_probability=0
    )
    depth = np.zeros((480, 640), np.float32)
    counts = np.array([(sample_sparse(depth, rng(s), law=law) > 0).sum() for s in range(200)])
    assert counts.min() < 10
    assert counts.max() > 12_000
    assert 100 < np.median(counts) < 1000


def test_depth_that_does_not_exist_may_hold_anything() -> None:
    log_depth = np.log(scene())
    log_depth[:40] = np.inf
    log_depth[:, :20] = np.nan
    for seed in range(20):
        sparse = sample_sparse(log_depth, rng(seed))
        assert (sparse[:40] == 0).all()
        assert (sparse[:, :20] == 0).all()
        assert (sparse > 0).sum() >= MINIMUM_POINTS


def test_refuses_what_cannot_be_sampled() -> None:
    log_depth = np.log(scene())
    valid = np.zeros(SHAPE, bool)
    valid[0, :4] = True
    with pytest.raises(ValueError, match="fewer than 5 pixels"):
        sample_sparse(log_depth, rng(), valid=valid)
    with pytest.raises(ValueError, match="valid is"):
        sample_sparse(log_depth, rng(), valid=valid[1:])
    with pytest.raises(ValueError, match="image is"):
        sample_sparse(log_depth, rng(), image=photograph()[1:])
