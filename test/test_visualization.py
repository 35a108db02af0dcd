from __future__ import annotations

import numpy as np
import pytest

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.visualization import (
    DepthRange,
    captioned,
    colour_depth,
    colour_error,
    enlarge_points,
    metres,
    render_points,
    strip,
    with_depth_scale,
)

CAMERA = Intrinsics(fx=100, fy=100, cx=49.5, cy=39.5, width=100, height=80)


def test_near_is_red_and_far_is_blue() -> None:
    near, far = colour_depth(np.array([[1.0, 10.0]], np.float32), DepthRange(1, 10))[0].astype(int)

    assert near[0] > near[2]
    assert far[2] > far[0]


def test_unknown_depth_is_black() -> None:
    picture = colour_depth(np.array([[1.0, 0.0, np.nan, 5.0]], np.float32))

    assert picture.dtype == np.uint8
    assert picture[0, 1:3].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert picture[0, [0, 3]].any(axis=1).all()


def test_a_map_without_depth_is_black() -> None:
    assert not colour_depth(np.full((3, 4), np.nan, np.float32)).any()


def test_a_constant_map_has_one_colour() -> None:
    picture = colour_depth(np.full((3, 4), 2.0, np.float32))

    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1


def test_range_leaves_out_outliers() -> None:
    depth = np.full((100, 100), 2.0, np.float32)
    depth[0, :50] = 1000.0

    assert DepthRange.of(depth).farthest < 3


def test_a_nearly_flat_scene_does_not_get_all_colours() -> None:
    wall = np.tile(np.linspace(2.98, 3.10, 100, dtype=np.float32), (4, 1))
    street = np.tile(np.linspace(3, 60, 100, dtype=np.float32), (4, 1))

    span = DepthRange.of(wall)

    assert span.farthest / span.nearest == pytest.approx(1.2)
    assert np.sqrt(span.nearest * span.farthest) == pytest.approx(3.04, abs=0.01)
    assert contrast(colour_depth(wall)) < 0.4 * contrast(colour_depth(street))


def contrast(picture: np.ndarray) -> float:
    """Sum of the colour steps along a row."""
    return float(np.abs(np.diff(picture[0].astype(int), axis=0)).sum())


def test_a_deep_scene_keeps_its_range() -> None:
    span = DepthRange.of(np.geomspace(1, 50, 101, dtype=np.float32))

    assert span.nearest == pytest.approx(1, rel=0.05)
    assert span.farthest == pytest.approx(50, rel=0.05)


@pytest.mark.parametrize("size", [(16, 20), (64, 96), (480, 640)])
def test_the_depth_scale_stands_beside_the_picture_near_below(size: tuple[int, int]) -> None:
    span = DepthRange(2, 20)
    picture = colour_depth(np.full(size, 5, np.float32), span)

    scaled = with_depth_scale(picture, span)

    assert scaled.dtype == np.uint8
    assert scaled.shape[0] == size[0]
    assert (scaled[:, : size[1]] == picture).all()
    scale = scaled[:, size[1] :].astype(int)
    near, far = (colour_depth(np.full((1, 1), d, np.float32), span)[0, 0] for d in (2, 20))
    rows_near, rows_far = (
        np.nonzero((np.abs(scale - colour).sum(axis=2) <= 6).any(axis=1))[0]
        for colour in (near, far)
    )
    assert rows_far.max() < size[0] / 2 < rows_near.min()


def test_the_depth_scale_has_numbers() -> None:
    span = DepthRange(2, 20)
    picture = colour_depth(np.full((120, 160), 5, np.float32), span)

    grey = with_depth_scale(picture, span)[:, 190:].max(axis=2)

    assert np.count_nonzero(grey > 150) > 50


@pytest.mark.parametrize(
    ("depth", "text"),
    [
        (0.0213, "0.0213 m"),
        (0.5, "0.500 m"),
        (2.98, "2.98 m"),
        (76.44, "76.4 m"),
        (3705.2, "3705 m"),
        (0.0, "0 m"),
    ],
)
def test_metres_have_three_digits(depth: float, text: str) -> None:
    assert metres(depth) == text


def test_a_caption_stands_above_the_picture_with_its_scale() -> None:
    panel = np.full((60, 400, 3), 90, np.uint8)
    colours = np.full((1, 8, 3), (0, 200, 0), np.uint8)

    plain = captioned(panel, "depth")
    scaled = captioned(panel, "depth", (colours, "1 m", "5 m"))

    for picture in (plain, scaled):
        assert (picture[-60:] == panel).all()
        assert (picture[:-60, :100] > 150).any()  # the words
    assert not (plain == (0, 200, 0)).all(axis=2).any()
    assert (scaled[:-60, 200:] == (0, 200, 0)).all(axis=2).any()


def test_larger_errors_are_brighter() -> None:
    error = np.array([[0.0, 0.1, 0.3, 0.5, 9.0, np.nan]], np.float32)
    brightness = colour_error(error, 0.5)[0].astype(int).sum(axis=1)

    assert (np.diff(brightness[:4]) > 0).all()
    assert brightness[4] == brightness[3]
    assert brightness[5] == 0


def test_enlarged_points_keep_the_nearer_depth() -> None:
    sparse = np.zeros((9, 9), np.float32)
    sparse[4, 3], sparse[4, 5] = 7.0, 2.0

    enlarged = enlarge_points(sparse, 3)

    assert np.count_nonzero(enlarged) == 15  # two 3x3 squares that share a column
    assert (enlarged[3:6, 4] == 2).all()


def test_strip_shows_four_panels_of_the_image_size() -> None:
    image = np.full((80, 100, 3), 200, np.uint8)
    depth = np.full((80, 100), 3.0, np.float32)
    sparse = np.zeros_like(depth)
    sparse[40, 50] = 3.0

    picture = strip(image, sparse, depth, depth)

    assert picture.shape[1] == 400
    assert (picture[-80:, :100] == image).all()
    assert np.count_nonzero(picture[-80:, 100:200].any(axis=2)) == 9


def test_render_puts_a_point_where_the_camera_sees_it() -> None:
    picture = render_points(
        np.array([[0.1, -0.05, 1.0]], np.float32),
        np.array([[255, 0, 0]], np.uint8),
        CAMERA,
        yaw_degrees=0,
        pitch_degrees=0,
        splat=1,
    )

    assert np.argwhere((picture == [255, 0, 0]).all(axis=2)).tolist() == [[34, 60]]


def test_render_hides_what_is_behind() -> None:
    points = np.array([[0, 0, 1], [0, 0, 2]], np.float32)
    near_red = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)

    for order in ([0, 1], [1, 0]):
        picture = render_points(points[order], near_red[order], CAMERA, 0, 0)
        assert (picture == [255, 0, 0]).all(axis=2).any()
        assert not (picture == [0, 255, 0]).all(axis=2).any()


def test_yaw_shows_the_scene_from_the_right() -> None:
    """Seen from the right, near things move to the left before far things."""
    points = np.array([[0, 0, 1], [0, 0, 3]], np.float32)
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)

    picture = render_points(points, colours, CAMERA, yaw_degrees=10, pitch_degrees=0)

    near = np.argwhere((picture == [255, 0, 0]).all(axis=2))[:, 1].mean()
    far = np.argwhere((picture == [0, 255, 0]).all(axis=2))[:, 1].mean()
    assert near < far


def test_render_leaves_out_unknown_points() -> None:
    empty = render_points(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), CAMERA)
    unknown = render_points(
        np.full((5, 3), np.nan, np.float32), np.full((5, 3), 255, np.uint8), CAMERA
    )

    assert np.array_equal(unknown, empty)
