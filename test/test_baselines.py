from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
from scipy.interpolate import LinearNDInterpolator

from benchmarks import baselines
from benchmarks.baselines import (
    Interpolation,
    affine_barycentric_residual,
    affine_fit,
    barycentric,
    inpainted,
    ip_basic,
    nearest,
    original_ip_basic,
)

HEIGHT, WIDTH = 40, 60


def plane() -> np.ndarray:
    """Depth that grows linearly over the image, 2 to about 5 m."""
    v, u = np.indices((HEIGHT, WIDTH))
    return (2 + 0.03 * u + 0.02 * v).astype(np.float32)


def every_tenth(depth: np.ndarray) -> np.ndarray:
    sparse = np.zeros_like(depth)
    sparse[::10, ::10] = depth[::10, ::10]
    return sparse


def test_barycentric_is_exact_on_a_plane_inside_the_points() -> None:
    dense = barycentric(every_tenth(plane()))

    assert dense.dtype == np.float32
    np.testing.assert_allclose(dense[:31, :51], plane()[:31, :51], rtol=1e-5)


def test_barycentric_takes_the_nearest_point_outside_their_hull() -> None:
    sparse = every_tenth(plane())

    assert barycentric(sparse)[39, 59] == sparse[30, 50]


@pytest.mark.parametrize("points", [[(3, 4)], [(3, 4), (20, 30)], [(5, 5), (6, 6), (7, 7)]])
def test_barycentric_of_points_without_a_triangle_is_the_nearest(
    points: list[tuple[int, int]],
) -> None:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    for value, point in enumerate(points, start=1):
        sparse[point] = value

    dense = barycentric(sparse)

    assert dense[0, 0] == 1
    assert dense[-1, -1] == len(points)


def test_interpolation_is_that_of_scipy() -> None:
    random = np.random.default_rng(2)
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse.flat[random.choice(sparse.size, 60, replace=False)] = random.uniform(1, 80, 60)
    points, pixels = np.argwhere(sparse > 0), np.indices(sparse.shape).reshape(2, -1).T

    expected = LinearNDInterpolator(points, sparse[sparse > 0])(pixels).reshape(sparse.shape)

    inside = np.isfinite(expected)
    assert 0.5 < inside.mean() < 1
    np.testing.assert_allclose(barycentric(sparse)[inside], expected[inside], rtol=1e-5)


def test_one_interpolation_serves_several_values_of_the_same_points() -> None:
    sparse = every_tenth(plane())
    interpolation = Interpolation(sparse)
    values = sparse[sparse > 0]

    np.testing.assert_allclose(
        interpolation.spread(3 * values), 3 * interpolation.spread(values), rtol=1e-6
    )
    np.testing.assert_array_equal(interpolation.spread(values), barycentric(sparse))


def test_nearest_takes_the_nearest_point_of_all() -> None:
    random = np.random.default_rng(1)
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse.flat[random.choice(sparse.size, 7, replace=False)] = np.arange(1, 8)
    points, values = np.argwhere(sparse > 0), sparse[sparse > 0]
    pixels = np.indices(sparse.shape).reshape(2, -1).T

    distance = np.linalg.norm(pixels[:, None] - points[None], axis=2)

    chosen = nearest(sparse).reshape(-1)
    order = np.argsort(values)
    own = distance[:, order][np.arange(len(chosen)), np.searchsorted(values[order], chosen)]
    np.testing.assert_allclose(own, distance.min(axis=1))


def test_robust_affine_fit_resists_what_the_plain_one_follows() -> None:
    random = np.random.default_rng(0)
    relative = (7.0 / plane() - 0.4).astype(np.float32)
    sparse = every_tenth(plane())
    wrong = random.choice(np.flatnonzero(sparse), 4, replace=False)
    sparse.flat[wrong] = 0.5  # far too near

    def error(robust: bool) -> float:
        return float(np.abs(affine_fit(relative, sparse, robust=robust) - plane()).mean())

    assert error(robust=False) > 0.2
    assert error(robust=True) < 0.01


def test_robust_affine_fit_without_outliers_is_the_plain_one() -> None:
    random = np.random.default_rng(0)
    relative = (7.0 / plane() - 0.4 + random.normal(0, 1e-3, plane().shape)).astype(np.float32)
    sparse = every_tenth(plane())

    np.testing.assert_allclose(
        affine_fit(relative, sparse, robust=True), affine_fit(relative, sparse), rtol=5e-3
    )


def test_residual_takes_a_triangulation_that_is_there_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sparse = every_tenth(plane())
    relative = np.random.default_rng(0).uniform(0.1, 1, plane().shape).astype(np.float32)
    interpolation, alone = Interpolation(sparse), affine_barycentric_residual(relative, sparse)

    monkeypatch.setattr(baselines, "Delaunay", None)  # a second one would fail

    shared = affine_barycentric_residual(relative, sparse, interpolation)
    np.testing.assert_array_equal(shared, alone)


def test_affine_fit_recovers_depth_from_scaled_and_shifted_inverse_depth() -> None:
    relative = 7.0 / plane() - 0.4

    np.testing.assert_allclose(
        affine_fit(relative.astype(np.float32), every_tenth(plane())), plane(), rtol=1e-3
    )


def test_affine_fit_stays_positive_where_the_line_crosses_zero() -> None:
    relative = np.tile(np.linspace(-5, 5, WIDTH, dtype=np.float32), (HEIGHT, 1))
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[10:30, -8:] = 1.0 / (0.1 * relative[10:30, -8:])

    dense = affine_fit(relative, sparse)

    assert dense.min() >= sparse[sparse > 0].min() / 2 - 1e-6
    assert dense.max() <= sparse.max() * 2 + 1e-4


def test_residual_interpolation_passes_through_the_sparse_points() -> None:
    random = np.random.default_rng(0)
    sparse = every_tenth(plane())
    relative = random.uniform(0.1, 1, plane().shape).astype(np.float32)

    dense = affine_barycentric_residual(relative, sparse)

    np.testing.assert_allclose(dense[sparse > 0], sparse[sparse > 0], rtol=1e-5)


def test_ip_basic_fills_everything_with_depths_between_the_given_ones() -> None:
    sparse = every_tenth(plane())

    dense = ip_basic(sparse)

    assert dense.dtype == np.float32
    assert dense.min() >= sparse[sparse > 0].min() - 1e-4
    assert dense.max() <= sparse.max() + 1e-4


def test_ip_basic_lets_near_depth_win_where_dilations_meet() -> None:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[20, 28], sparse[20, 31] = 10.0, 2.0  # both reach the columns between them

    assert ip_basic(sparse)[20, 29] < (2 + 10) / 2  # blurred, but on the near side


def test_ip_basic_extends_the_topmost_depth_upwards() -> None:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[30, :30], sparse[30, 30:] = 3.0, 8.0

    dense = ip_basic(sparse)

    assert dense[0, 5] == pytest.approx(3.0, rel=1e-3)
    assert dense[0, 55] == pytest.approx(8.0, rel=1e-3)


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (41, 62)])  # whole cells, and parts of some
@pytest.mark.parametrize("points", [1, 5, 500, HEIGHT * WIDTH])
def test_inpainting_leaves_no_hole_and_stays_between_the_given_depths(
    points: int, shape: tuple[int, int]
) -> None:
    random = np.random.default_rng(points)
    sparse = np.zeros(shape, np.float32)
    sparse.flat[random.choice(sparse.size, points, replace=False)] = random.uniform(1, 80, points)

    dense = inpainted(sparse)

    assert dense.dtype == np.float32
    assert dense.shape == shape
    assert dense.min() >= sparse[sparse > 0].min() * 0.999
    assert dense.max() <= sparse.max() * 1.001


def test_inpainting_completes_scan_lines() -> None:
    sparse = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse[::8] = plane()[::8]

    error = np.abs(inpainted(sparse) - plane())

    assert (
        error[:33].max() < 0.15
    )  # between the lines; the depth grows by 0.16 m from one to the next
    assert error.mean() < 0.05


def test_inpainting_leaves_its_input_alone() -> None:
    sparse = every_tenth(plane())

    inpainted(sparse)

    np.testing.assert_array_equal(sparse, every_tenth(plane()))


@pytest.fixture
def authors_package(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """A package with the names and signature of IP-Basic's authors; gives the calls.

    Like theirs it works in place and leaves empty (0) what is far from the points.
    """
    calls = []

    def fill_in_fast(
        depth_map, max_depth=100.0, custom_kernel=None, extrapolate=False, blur_type="bilateral"
    ):  # type: ignore[no-untyped-def]
        calls.append({"extrapolate": extrapolate, "blur_type": blur_type, "max_depth": max_depth})
        depth_map[:, :10] = 3.0
        return depth_map

    package, module = ModuleType("ip_basic"), ModuleType("ip_basic.depth_map_utils")
    module.fill_in_fast = fill_in_fast  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ip_basic", package)
    monkeypatch.setitem(sys.modules, "ip_basic.depth_map_utils", module)
    return calls


def test_the_original_ip_basic_runs_as_in_its_paper(
    authors_package: list[dict[str, object]],
) -> None:
    sparse = every_tenth(plane())
    method = original_ip_basic()

    assert method is not None
    dense = method(sparse)

    assert authors_package == [{"extrapolate": True, "blur_type": "gaussian", "max_depth": 100.0}]
    np.testing.assert_array_equal(sparse, every_tenth(plane()))  # not written into
    assert (dense[:, :10] == 3.0).all()
    np.testing.assert_array_equal(dense[:, 10:], nearest(sparse)[:, 10:])  # its holes


def test_the_original_ip_basic_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ip_basic", None)

    assert original_ip_basic() is None


@pytest.mark.parametrize("method", [barycentric, inpainted, ip_basic, nearest])
def test_rejects_an_empty_map(method) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="at least one"):
        method(np.zeros((HEIGHT, WIDTH), np.float32))
