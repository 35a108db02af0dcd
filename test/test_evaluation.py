from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="benchmarks need requirements/demo.txt")
from benchmarks import baselines
from benchmarks.evaluation import (
    AFFINE,
    AFFINE_RESIDUAL,
    AFFINE_ROBUST,
    BARYCENTRIC,
    INPAINTING,
    IP_BASIC,
    IP_BASIC_ORIGINAL,
    NEAREST,
    OURS,
    FrameScores,
    Method,
    left_out,
    score_frame,
)
from benchmarks.evaluation import (
    GREY as GREY_IMAGE,
)
from benchmarks.outcomes import as_json, summarise, with_ratios
from benchmarks.protocols import Case
from benchmarks.report import BundleInfo, Report
from benchmarks.scenes import Scene, SceneSet
from bundles import GREY
from starrygazer_ros.completion import DepthCompleter

HEIGHT, WIDTH = 48, 64


def scene(key: str = "0", black: bool = False) -> Scene:
    """A step from 2 m to 4 m; the image is grey, or black in its upper half."""
    depth = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    depth[:, WIDTH // 2 :] = 4.0
    image = np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)
    image[: HEIGHT // 2 if black else 0] = 0
    return Scene(key, image, depth)


def case(dense_truth: bool = True, black: bool = False, factor: float = 1.0) -> Case:
    def split(scene: Scene, _: int) -> tuple[np.ndarray, np.ndarray]:
        sparse = np.zeros_like(scene.depth)
        sparse[::6, ::6] = scene.depth[::6, ::6] * factor
        return sparse, scene.depth

    scenes = SceneSet("steps", ("0", "1"), lambda key: scene(key, black))
    return Case("steps", scenes, split, dense_truth)


@pytest.fixture(scope="module")
def completer(tiny_bundle: Path) -> DepthCompleter:
    return DepthCompleter.from_bundle(tiny_bundle, threads=1)


def scores(case: Case, completer: DepthCompleter) -> FrameScores:
    return score_frame(case, 0, {"tiny": completer})


@pytest.fixture(autouse=True)
def authors_ip_basic_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here and on every other machine."""
    monkeypatch.setattr(baselines, "original_ip_basic", lambda: None)


def test_every_method_is_scored_once(completer: DepthCompleter) -> None:
    of_a_bundle = (OURS, GREY_IMAGE, AFFINE, AFFINE_ROBUST, AFFINE_RESIDUAL)

    frame = scores(case(), completer)

    assert set(frame.scores) == {
        *(Method(name) for name in (NEAREST, BARYCENTRIC, INPAINTING, IP_BASIC)),
        *(Method(name, "tiny") for name in of_a_bundle),
    }
    assert frame.points == 8 * 11
    assert all(score.seconds > 0 for score in frame.scores.values())


def test_the_original_ip_basic_is_scored_where_it_is_installed(
    completer: DepthCompleter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert IP_BASIC_ORIGINAL in left_out()
    monkeypatch.setattr(baselines, "original_ip_basic", lambda: baselines.nearest)

    frame = scores(case(), completer)

    assert left_out() == ""
    original, same = frame.scores[Method(IP_BASIC_ORIGINAL)], frame.scores[Method(NEAREST)]
    assert original.errors == same.errors
    bundle = BundleInfo("tiny", "tiny", "1", "CPU", {"mde": 1, "refinement": 1})
    text = Report([bundle]).text(summarise(case(), [frame]))
    assert [line.split("  ")[1] for line in text.splitlines() if line.startswith("  ip_basic")] == [
        IP_BASIC,
        IP_BASIC_ORIGINAL,
    ]


@pytest.mark.parametrize("best", [INPAINTING, IP_BASIC_ORIGINAL])
def test_every_baseline_can_be_the_best(
    best: str, completer: DepthCompleter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "original_ip_basic", lambda: baselines.nearest)
    outcome = summarise(case(), [scores(case(), completer)])
    row = outcome.rows[Method(best)]
    outcome.rows[Method(best)] = replace(row, errors=replace(row.errors, rmse=1e-3))

    assert outcome.best_baseline("tiny").method == Method(best)


def test_ours_is_what_the_bundle_says(completer: DepthCompleter) -> None:
    """The tiny bundle: mean of the points times (1 + 0.2)."""
    frame = scores(case(), completer)

    mean = (2.0 * 6 + 4.0 * 5) / 11 * 1.2
    assert frame.scores[Method(OURS, "tiny")].errors.mae == pytest.approx(
        (abs(mean - 2) + abs(mean - 4)) / 2, rel=1e-3
    )


def test_pixels_that_a_bundle_leaves_out_count_for_nobody(completer: DepthCompleter) -> None:
    frame = scores(case(black=True), completer)

    assert frame.coverage == pytest.approx(0.5, abs=0.05)  # the MDE's resizing moves the border
    pixels = round(frame.coverage * HEIGHT * WIDTH)
    assert {score.errors.pixels for score in frame.scores.values()} == {pixels}


def test_errors_near_edges_are_those_within_five_pixels(completer: DepthCompleter) -> None:
    near = scores(case(), completer).scores[Method(NEAREST)].near_edges

    assert near is not None
    assert near.pixels == 12 * HEIGHT


def test_a_sparse_truth_has_no_errors_near_edges(completer: DepthCompleter) -> None:
    frame = scores(case(dense_truth=False), completer)

    assert all(score.near_edges is None for score in frame.scores.values())


def test_only_ours_is_ranked_by_its_confidence(completer: DepthCompleter) -> None:
    frame = scores(case(), completer)

    ranked = [m.name for m, score in frame.scores.items() if score.sparsification is not None]
    assert set(ranked) == {OURS}
    # The tiny bundle's confidence of a grey image is the same everywhere.
    np.testing.assert_allclose(frame.scores[Method(OURS, "tiny")].sparsification.rmse, 1)


def test_points_are_triangulated_once_per_frame(
    completer: DepthCompleter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    triangulate = baselines.Delaunay
    monkeypatch.setattr(
        baselines, "Delaunay", lambda points: made.append(len(points)) or triangulate(points)
    )

    score_frame(case(), 0, {"one": completer, "two": completer})

    assert made == [8 * 11]


def test_outcome_averages_the_frames(completer: DepthCompleter) -> None:
    frames = [score_frame(case(), index, {"tiny": completer}) for index in (0, 1)]

    outcome = summarise(case(), frames)

    row = outcome.rows[Method(BARYCENTRIC)]
    assert outcome.frames == 2
    assert row.errors.rmse == pytest.approx(frames[0].scores[Method(BARYCENTRIC)].errors.rmse)
    assert row.errors.pixels == 2 * HEIGHT * WIDTH
    assert outcome.rows[Method(OURS, "tiny")].wins == 0


def test_the_best_baseline_needs_no_refinement_and_no_other_bundle(
    completer: DepthCompleter,
) -> None:
    frame = score_frame(case(), 0, {"one": completer, "two": completer})
    outcome = summarise(case(), [frame])

    for metric in ("rmse", "mae", "absrel"):
        best = outcome.best_baseline("one", metric)
        assert best.method.name not in (OURS, GREY_IMAGE)
        assert best.method.bundle in (None, "one")
        errors = [getattr(outcome.rows[Method(m)].errors, metric) for m in (NEAREST, BARYCENTRIC)]
        assert getattr(best.errors, metric) <= min(errors)


def test_ratio_is_the_error_over_that_of_the_clean_case(completer: DepthCompleter) -> None:
    clean = summarise(case(), [scores(case(), completer)])
    faulty_case = case(factor=1.5)
    faulty = summarise(faulty_case, [scores(faulty_case, completer)])
    faulty = type(faulty)(**{**vars(faulty), "case": "faulty", "clean": "steps"})

    rows = with_ratios(faulty, [clean]).rows

    for method, row in rows.items():
        assert row.rmse_ratio == pytest.approx(row.errors.rmse / clean.rows[method].errors.rmse)
    assert rows[Method(NEAREST)].mae_ratio > 1
    assert with_ratios(faulty, []) is faulty


def test_numbers_that_are_not_defined_are_null(completer: DepthCompleter) -> None:
    sparse = case(dense_truth=False)

    written = as_json(summarise(sparse, [scores(sparse, completer)]))

    rows = {row["method"]: row for row in written["rows"]}
    assert rows[NEAREST]["near_edges"] is None
    assert rows[NEAREST]["sparsification"] is None
    assert rows[OURS]["rmse_ratio_to_clean"] is None
    assert len(rows[OURS]["sparsification"]["rmse"]) == 100
