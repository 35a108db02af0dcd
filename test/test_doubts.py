"""What makes a computed depth doubtful is said, each by its own cause, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from starrygazer_ros.completion.completer import CompletionResult
from starrygazer_ros.completion.doubts import (
    ALIGNMENT_EVERY,
    DARK,
    LEAST_USUAL,
    DoubtLimits,
    Doubts,
    far_share,
)
from starrygazer_ros.completion.stage_clock import Timings

HEIGHT, WIDTH = 120, 160


def picture(lowest: int = 0, highest: int = 256) -> NDArray[np.uint8]:
    """Full of detail."""
    random = np.random.default_rng(0)
    return random.integers(lowest, highest, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def points(step: int = 8) -> NDArray[np.float32]:
    sparse_depth = np.zeros((HEIGHT, WIDTH), np.float32)
    sparse_depth[::step, ::step] = 3
    return sparse_depth


def result(contradicted: int = 0, occluded: int = 0) -> CompletionResult:
    depth = np.full((HEIGHT, WIDTH), 3, np.float32)
    timings = Timings({"total": 0.1}, "none")
    return CompletionResult(depth, depth, None, timings, occluded, contradicted)


def causes(doubts: Doubts, image=None, sparse_depth=None, of=None) -> list[str]:
    image = picture() if image is None else image
    sparse_depth = points() if sparse_depth is None else sparse_depth
    return [doubt.cause for doubt in doubts.find(image, sparse_depth, of or result())]


def test_good_frames_raise_no_doubt() -> None:
    doubts = Doubts()
    assert [causes(doubts) for _ in range(LEAST_USUAL + 1)] == [[]] * (LEAST_USUAL + 1)


def test_many_contradicted_points_are_one() -> None:
    number = np.count_nonzero(points())
    few, many = int(0.03 * number), int(0.03 * number) + 1
    assert causes(Doubts(), of=result(few)) == []
    (doubt,) = Doubts().find(picture(), points(), result(many))
    assert doubt.cause == "contradicted_points"
    assert f"{many} of {number} sparse points" in str(doubt)


def test_occluded_points_are_not_among_those_that_could_be_contradicted() -> None:
    number = np.count_nonzero(points())
    contradicted = int(0.02 * number)
    assert causes(Doubts(), of=result(contradicted)) == []
    assert causes(Doubts(), of=result(contradicted, number // 2)) == ["contradicted_points"]


def test_an_image_half_without_points_is_one() -> None:
    half = points()
    half[:, : WIDTH // 2] = 0
    assert causes(Doubts(), sparse_depth=half) == ["far_from_points"]
    assert causes(Doubts(DoubtLimits(far=0.0)), sparse_depth=half) == []


def test_share_of_the_image_that_is_far_from_points() -> None:
    known = np.zeros((300, 400), bool)
    assert far_share(known) == 1
    known[:, 0] = True  # the diagonal is 500, so all beyond 50 columns are far
    assert far_share(known) == pytest.approx(350 / 400, abs=0.03)
    known[:, ::90] = True
    assert far_share(known) == 0


def after(frames: int) -> Doubts:
    """So many good frames were seen."""
    doubts = Doubts(DoubtLimits(image=False, shift=0.0))
    for _ in range(frames):
        assert causes(doubts) == []
    return doubts


def test_fewer_points_than_usual_are_one_once_it_is_known_what_is_usual() -> None:
    usual = np.count_nonzero(points())
    few = points()
    few[::16] = 0
    assert causes(after(LEAST_USUAL - 1), sparse_depth=few) == []
    known = after(LEAST_USUAL)
    (doubt,) = known.find(picture(), few, result())
    assert doubt.cause == "fewer_points"
    assert f"{np.count_nonzero(few)} sparse points where {usual} were usual" in str(doubt)
    assert causes(known) == []
    known.limits = replace(known.limits, lost=0.0)
    assert causes(known, sparse_depth=few) == []


def test_more_of_the_image_without_points_than_usual_is_one() -> None:
    fewer = points()
    fewer[:40] = 0  # a sixth of the image are farther than 20 pixels
    assert causes(after(LEAST_USUAL - 1), sparse_depth=fewer) == []
    (doubt,) = after(LEAST_USUAL).find(picture(), fewer, result())
    assert doubt.cause == "far_from_points"
    assert "(limit 10%)" in str(doubt)


def test_what_is_wrong_for_long_does_not_become_usual() -> None:
    few = points()
    few[::16] = 0
    doubts = after(LEAST_USUAL)
    assert {tuple(causes(doubts, sparse_depth=few)) for _ in range(3 * LEAST_USUAL)} == {
        ("fewer_points",)
    }
    fewer = points()
    fewer[:40] = 0
    doubts = after(LEAST_USUAL)
    assert {tuple(causes(doubts, sparse_depth=fewer)) for _ in range(3 * LEAST_USUAL)} == {
        ("far_from_points",)
    }


def test_images_of_another_size_have_nothing_usual_yet() -> None:
    doubts = after(LEAST_USUAL)
    half = points()[: HEIGHT // 2]
    assert causes(doubts, picture()[: HEIGHT // 2], half) == []


def test_depth_that_jumps_beside_the_edges_of_the_image_is_one() -> None:
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    image[:, 40:80] = image[:, 120:] = 180
    depth = np.where(image[..., 0] == 60, np.float32(4), np.float32(2))
    shifted = np.roll(depth, 5, axis=1)
    doubts = Doubts(DoubtLimits(far=0.0, image=False))
    for _ in range(ALIGNMENT_EVERY):
        assert causes(doubts, image, depth) == []
    moved = Doubts(DoubtLimits(far=0.0, image=False))
    (doubt,) = moved.find(image, shifted, result())
    assert doubt.cause == "misaligned"
    assert "5 pixels too far right (limit 2.5)" in str(doubt)
    moved.limits = replace(moved.limits, shift=0.0)
    assert causes(moved, image, shifted) == []


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (picture(0, int(DARK)), "dark_image"),
        (np.zeros((HEIGHT, WIDTH, 3), np.uint8), "dark_image"),
        (np.maximum(picture(), np.uint8(251)), "overexposed_image"),
        (np.repeat(np.repeat(picture(), 12, 0), 12, 1)[:HEIGHT, :WIDTH], None),
    ],
    ids=["dark", "black", "white", "coarse but sharp"],
)
def test_bad_images_are_one(image: NDArray[np.uint8], cause: str | None) -> None:
    assert causes(Doubts(), image) == ([cause] if cause else [])
    assert causes(Doubts(DoubtLimits(image=False)), image) == []


def test_a_blurred_image_is_one() -> None:
    import cv2

    coarse = np.repeat(np.repeat(picture(), 12, 0), 12, 1)[:HEIGHT, :WIDTH]
    blurred = np.asarray(cv2.GaussianBlur(coarse, (0, 0), 5), np.uint8)
    assert causes(Doubts(), blurred) == ["blurred_image"]


@pytest.mark.parametrize("axis", [0, 1])
def test_an_image_that_moved_while_it_was_taken_is_one(axis: int) -> None:
    import cv2

    coarse = np.repeat(np.repeat(picture(), 12, 0), 12, 1)[:HEIGHT, :WIDTH]
    size = (1, 25) if axis == 0 else (25, 1)
    assert causes(Doubts(), np.asarray(cv2.blur(coarse, size), np.uint8)) == ["blurred_image"]


def test_a_flat_image_is_not_called_blurred() -> None:
    assert causes(Doubts(), np.full((HEIGHT, WIDTH, 3), 128, np.uint8)) == []
