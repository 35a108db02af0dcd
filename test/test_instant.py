"""The bundle without networks: what it keeps, what it leaves out, how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.baselines import inpainted, ip_basic, nearest
from benchmarks.sampling import outliers
from starrygazer_ros.completion import DepthCompleter, Intrinsics, back_project
from starrygazer_ros.demo.photographs import motorcycle
from starrygazer_ros.demo.scan_lines import scan_lines

HEIGHT, WIDTH = 240, 320
CAMERA = Intrinsics(fx=260.0, fy=260.0, cx=159.5, cy=119.5, width=WIDTH, height=HEIGHT)
IMAGE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def completer() -> DepthCompleter:
    return DepthCompleter.from_bundle("instant", "onnxruntime")


def wall() -> np.ndarray:
    """Depth of a wall that is seen at an angle."""
    rays = back_project(np.ones((HEIGHT, WIDTH), np.float32), CAMERA)
    return (3 / (rays @ np.float32([0.3, 0.1, 0.9]))).astype(np.float32)


def some(depth: np.ndarray, share: float = 0.01) -> np.ndarray:
    chosen = np.random.default_rng(1).random(depth.shape) < share
    return np.where(chosen, depth, np.float32(0))


def rmse(depth: np.ndarray, truth: np.ndarray) -> float:
    known = truth > 0
    return float(np.sqrt(np.mean((depth[known] - truth[known]) ** 2)))


def test_computes_what_it_says(completer) -> None:
    assert completer.self_check() < 1e-4


def test_keeps_a_wall(completer) -> None:
    depth = completer.complete(IMAGE, some(wall())).depth
    inside = np.s_[20:-20, 20:-20]
    assert depth[inside] == pytest.approx(wall()[inside], rel=0.02)


def test_does_not_look_at_the_image(completer) -> None:
    sparse = some(wall())
    depth = [completer.complete(image, sparse).depth for image in (IMAGE, 255 - IMAGE)]
    assert np.array_equal(*depth)


def test_follows_the_unit(completer) -> None:
    sparse = some(wall())
    metres, millimetres = (completer.complete(IMAGE, k * sparse).depth for k in (1, 1000))
    assert millimetres == pytest.approx(1000 * metres, rel=1e-3)


def test_one_wrong_point_among_many_spoils_little(completer) -> None:
    sparse = some(wall(), 0.04)
    row, column = (places[len(places) // 2] for places in np.nonzero(sparse))
    wrong = sparse.copy()
    wrong[row, column] *= 3
    right, spoilt = (completer.complete(IMAGE, s).depth for s in (sparse, wrong))
    around = np.abs(spoilt / right - 1) > 0.1
    assert around.sum() < 12**2


def test_is_less_sure_where_points_disagree_and_far_from_them(completer) -> None:
    truth = wall()
    truth[:, WIDTH // 2 :] = 1
    sparse = some(truth, 0.02)
    sparse[:, :60] = 0
    confidence = completer.complete(IMAGE, sparse).confidence
    among = confidence[30:-30, WIDTH - 60 : WIDTH - 20].mean()
    assert 0 <= confidence.min() <= confidence.max() <= 1
    assert confidence[30:-30, WIDTH // 2 - 4 : WIDTH // 2 + 4].mean() < 0.5 * among
    assert confidence[30:-30, :20].mean() < 0.7 * among


def test_the_confidence_expects_about_the_error_that_there_is(completer) -> None:
    scene = motorcycle()
    result = completer.complete(scene.image, scan_lines(scene.depth, 16, scene.intrinsics))
    known = scene.depth > 0
    expected = np.mean(0.05 * (1 / result.confidence[known] - 1))  # 0.5 is 5%
    found = np.mean(np.abs(np.log(result.depth[known] / scene.depth[known])))
    assert expected == pytest.approx(found, rel=0.3)


@pytest.mark.parametrize("wrong", [0.0, 0.05])
def test_is_better_than_what_else_is_done_in_its_time(completer, wrong) -> None:
    scene = motorcycle()
    sparse = outliers(scan_lines(scene.depth, 16, scene.intrinsics), wrong, 0)
    ours = rmse(completer.complete(scene.image, sparse).depth, scene.depth)
    for method in (ip_basic, nearest, inpainted):
        assert ours < rmse(method(sparse), scene.depth)
