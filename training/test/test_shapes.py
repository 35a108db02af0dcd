"""Shapes: where they lie, how they are turned, shaded and textured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from starrygazer_training.scenes import shapes
from starrygazer_training.scenes.soup import Soup, join, turn

SIZE = (1.2, 0.8, 0.6)


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


SHAPES: dict[str, Callable[[], Soup]] = {
    "box": lambda: shapes.box(SIZE, 0),
    "cylinder": lambda: shapes.cylinder(0.4, 0.6, 0),
    "lathe": lambda: shapes.lathe([(0.3, 0), (0.4, 0.3), (0.2, 0.6)], 0),
    "rod": lambda: shapes.rod((0, 0, 0.02), (0, 0, 0.6), 0.02, 0),
    "ellipsoid": lambda: shapes.superquadric(SIZE, (1.0, 1.0), 0),
    "rounded box": lambda: shapes.superquadric(SIZE, (0.2, 0.2), 0),
    "octahedron": lambda: shapes.superquadric(SIZE, (2.0, 2.0), 0),
    "smooth lump": lambda: shapes.lump(SIZE, 0.0, 0, rng()),
    "foliage": lambda: shapes.foliage(SIZE, 0.0, 200, 0, rng()),
    "cloth": lambda: shapes.cloth(1.2, 0.6, 0.05, 0, rng()),
}
CLOSED = ("box", "cylinder", "ellipsoid", "rounded box", "octahedron", "smooth lump")


def areas(soup: Soup) -> NDArray[np.floating]:
    a, b, c = soup.points.astype(float).transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def volume(soup: Soup) -> float:
    """By Gauss's theorem: positive if the corners of closed surfaces turn left from outside."""
    a, b, c = soup.points.astype(float).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_sound_and_stand_on_the_ground(name: str) -> None:
    soup = SHAPES[name]()
    count = len(soup.texture)
    assert soup.points.shape == soup.normals.shape == (count, 3, 3)
    assert soup.uv.shape == (count, 3, 2)
    for array in (soup.points, soup.normals, soup.uv):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
    if name != "foliage":  # its leaves have no size here
        lengths = np.linalg.norm(soup.normals, axis=-1)
        np.testing.assert_allclose(np.where(lengths < 1e-3, 1, lengths), 1, atol=2e-3)
        assert (lengths[areas(soup) > 1e-10] > 0.9).any(1).all()  # only poles have none
        assert (areas(soup) > 1e-10).mean() > 0.8  # at poles a triangle may have two equal corners
    low, high = soup.points.min((0, 1)), soup.points.max((0, 1))
    assert low[2] > -1e-6
    assert (high - low <= np.array(SIZE) + 1e-5).all()
    assert high[2] - low[2] > 0.5


@pytest.mark.parametrize("name", CLOSED)
def test_closed_shapes_are_closed_and_shaded_from_outside(name: str) -> None:
    soup = SHAPES[name]()
    shifted = soup.shifted((5, -3, 2))
    assert abs(volume(soup)) > 0.05
    # The integral over an open surface would depend on where it lies.
    assert volume(soup) == pytest.approx(volume(shifted), rel=0.01)
    middle = np.array([0, 0, 0.3])
    outwards = (soup.normals.mean(1) * (soup.points.mean(1) - middle)).sum(1)
    assert (outwards * np.sign(volume(soup)) > -1e-3).mean() > 0.99


def test_volume_of_known_bodies() -> None:
    assert abs(volume(SHAPES["box"]())) == pytest.approx(np.prod(SIZE), rel=1e-5)
    ellipsoid = np.pi / 6 * np.prod(SIZE)
    assert abs(volume(SHAPES["ellipsoid"]())) == pytest.approx(ellipsoid, rel=0.03)
    assert abs(volume(SHAPES["smooth lump"]())) == pytest.approx(ellipsoid, rel=0.03)
    assert abs(volume(SHAPES["cylinder"]())) == pytest.approx(np.pi * 0.16 * 0.6, rel=0.03)


@pytest.mark.parametrize("roundness", [(0.3, 0.5), (1.0, 1.0), (1.5, 0.8)])
def test_superquadrics_fulfil_their_equation(roundness: tuple[float, float]) -> None:
    points = shapes.superquadric(SIZE, roundness, 0).points.astype(float)
    x, y, z = np.moveaxis(np.abs((points - (0, 0, SIZE[2] / 2)) / (np.array(SIZE) / 2)), -1, 0)
    up, around = roundness
    value = (x ** (2 / around) + y ** (2 / around)) ** (around / up) + z ** (2 / up)
    np.testing.assert_allclose(value, 1, atol=1e-4)


def test_quads_are_the_quads_one_by_one() -> None:
    corners = np.random.default_rng(0).normal(size=(5, 4, 3))
    together = shapes.quads(corners, 2, 0.7)
    single = join([shapes.quad(c, 2, 0.7) for c in corners])
    for name in ("points", "normals", "uv", "texture"):
        np.testing.assert_array_equal(getattr(together, name), getattr(single, name))


def test_a_quad_is_a_faceted_sheet_of_four_points() -> None:
    a, b, c, d = np.random.default_rng(0).normal(size=(4, 3))
    quad, sheet = (
        shapes.quad([a, b, c, d], 1, 0.3),
        shapes.facets(np.array([[a, b], [d, c]]), 1, 0.3),
    )
    for name in ("points", "normals", "uv", "texture"):
        np.testing.assert_array_equal(getattr(quad, name), getattr(sheet, name))


@pytest.mark.parametrize("tile", [0.25, 1.0, 3.0])
def test_texture_coordinates_of_a_box_are_metres(tile: float) -> None:
    soup = shapes.box(SIZE, 0, tile)
    edges = np.roll(soup.points, -1, 1) - soup.points
    uv_edges = np.roll(soup.uv, -1, 1) - soup.uv
    np.testing.assert_allclose(
        np.linalg.norm(uv_edges, axis=-1) * tile, np.linalg.norm(edges, axis=-1), rtol=1e-5
    )


def test_texture_coordinates_of_a_cylinder_are_metres() -> None:
    soup = shapes.lathe([(0.5, 0), (0.5, 2.0)], 0, 0.25)
    around = 24 * 2 * 0.5 * np.sin(np.pi / 24)  # the polygon's circumference
    assert soup.uv[..., 0].max() * 0.25 == pytest.approx(around, rel=1e-5)
    assert soup.uv[..., 1].max() * 0.25 == pytest.approx(2.0, rel=1e-5)


def test_normals_of_a_sphere_are_radial() -> None:
    soup = shapes.superquadric((2, 2, 2), (1, 1), 0)
    radial = soup.points - np.array([0, 0, 1])
    away_from_poles = np.abs(radial[..., 2]) < 0.95
    cosine = np.abs((soup.normals * radial).sum(-1))[away_from_poles]
    # One-sided differences where the surface meets itself are the least accurate.
    assert cosine.min() > 0.98
    assert np.median(cosine) > 0.999


def test_facets_are_flat() -> None:
    soup = shapes.facets(np.random.default_rng(0).normal(size=(4, 5, 3)), 0)
    a, b, c = soup.points.transpose(1, 0, 2)
    for side in (b - a, c - a):
        np.testing.assert_allclose((soup.normals[:, 0] * side).sum(1), 0, atol=1e-5)
    np.testing.assert_array_equal(soup.normals[:, 0], soup.normals[:, 2])


@pytest.mark.parametrize("end", [(0, 0, 2), (0, 0, -2), (0, 2, 0), (0, -1, 0.1), (1, 2, 3)])
def test_a_rod_runs_from_start_to_end(end: tuple[float, float, float]) -> None:
    start, radius = np.array([0.5, -0.2, 0.1]), 0.05
    axis = np.array(end, float)
    soup = shapes.rod(start, start + axis, radius, 0)
    away = soup.points - start
    along = away @ axis / np.linalg.norm(axis)
    across = np.linalg.norm(away - along[..., None] * axis / np.linalg.norm(axis), axis=-1)
    np.testing.assert_allclose(across, radius, atol=1e-5)
    assert along.min() == pytest.approx(0, abs=1e-5)
    assert along.max() == pytest.approx(np.linalg.norm(axis), rel=1e-5)


def test_foliage_stays_within_its_ellipsoid_and_a_leaf() -> None:
    soup = shapes.foliage((2, 2, 4), 0.05, 500, 3, rng())
    centre = (soup.points - np.array([0, 0, 2])) / np.array([1, 1, 2])
    assert np.linalg.norm(centre, axis=-1).max() < 1 + 6 * 0.05 / 2
    assert len(soup.texture) == 1000
    assert (soup.texture == 3).all()


def test_terrain_undulates_by_its_height() -> None:
    flat, high = (shapes.terrain((6, 4), height, 0, rng(), 1.0) for height in (0.0, 0.5))
    assert np.ptp(flat.points[..., 2]) == 0
    assert 0.5 < np.ptp(high.points[..., 2]) < 4
    np.testing.assert_allclose(high.points.max((0, 1))[:2], (3, 2))
    np.testing.assert_allclose(high.points.min((0, 1))[:2], (-3, -2))


@pytest.mark.parametrize(("axis", "before", "after"), [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_turns_are_right_handed(axis: int, before: int, after: int) -> None:
    unit = np.eye(3)
    np.testing.assert_allclose(turn(np.pi / 2, axis) @ unit[before], unit[after], atol=1e-12)
    np.testing.assert_allclose(turn(0.3, axis) @ unit[axis], unit[axis], atol=1e-12)


def test_a_soup_is_turned_before_it_is_shifted() -> None:
    soup = shapes.box((2, 1, 1), 0).turned(np.pi / 2).shifted((10, 0, 0))
    np.testing.assert_allclose(soup.points.min((0, 1)), (9.5, -1, 0), atol=1e-6)
    np.testing.assert_allclose(soup.points.max((0, 1)), (10.5, 1, 1), atol=1e-6)
    flat = np.cross(soup.points[:, 1] - soup.points[:, 0], soup.points[:, 2] - soup.points[:, 0])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    np.testing.assert_allclose(soup.normals[:, 0], flat, atol=1e-5)


def test_scaling_leaves_normals_and_tiles() -> None:
    soup = shapes.box(SIZE, 0)
    large = soup.scaled(3)
    np.testing.assert_allclose(large.points, 3 * soup.points)
    assert large.normals is soup.normals
    assert large.uv is soup.uv


def test_nothing_joined_is_nothing() -> None:
    soup = join([])
    assert soup.points.shape == soup.normals.shape == (0, 3, 3)
    assert soup.uv.shape == (0, 3, 2)
    assert len(join([soup, shapes.box(SIZE, 7)]).texture) == 12


def test_the_same_generator_gives_the_same_shape() -> None:
    for make in (
        lambda r: shapes.lump(SIZE, 0.2, 0, r),
        lambda r: shapes.foliage(SIZE, 0.1, 50, 0, r),
        lambda r: shapes.cloth(1, 2, 0.1, 0, r),
    ):
        np.testing.assert_array_equal(make(rng()).points, make(rng()).points)
