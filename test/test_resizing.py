"""Dense depth in fewer pixels: where surfaces are, and that edges stay edges."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from starrygazer_ros.completion import CompletionResult, Intrinsics, back_project
from starrygazer_ros.completion.resizing import ScaledResult

HEIGHT, WIDTH = 120, 160
CAMERA = Intrinsics(fx=130.0, fy=131.0, cx=81.3, cy=58.9, width=WIDTH, height=HEIGHT)
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
SCALES = [0.9, 0.75, 0.5, 0.4, 0.31, 0.25, 0.1]


def scaled(depth, scale, confidence=None):
    confidence = np.full_like(depth, 0.5) if confidence is None else confidence
    return ScaledResult(CompletionResult(depth, confidence, depth, {}), IMAGE, scale)


def plane(normal, offset):
    """Depth of the points with ``normal . point = offset``."""
    rays = back_project(np.ones((HEIGHT, WIDTH), np.float32), CAMERA)
    return (offset / (rays @ np.asarray(normal))).astype(np.float32)


@pytest.mark.parametrize("scale", SCALES)
def test_a_plane_stays_where_it_was(scale):
    normal, offset = [0.1, 0.8, 0.6], 1.5  # a floor that rises to the right
    result = scaled(plane(normal, offset), scale)
    camera = CAMERA.scaled(result.height, result.width)
    distances = back_project(result.depth, camera) @ np.asarray(normal) - offset
    assert np.abs(distances).max() < 1e-5


@pytest.mark.parametrize("scale", SCALES)
def test_no_depth_arises_at_an_edge(scale):
    depth = np.full((HEIGHT, WIDTH), 2, np.float32)
    depth[:, 71:] = 4
    depth[33:, 20:40] = 1.5
    depth[:, 100] = 3  # as thin as a pixel
    assert set(np.unique(scaled(depth, scale).depth)) <= {1.5, 2.0, 3.0, 4.0}


def test_edges_are_those_of_single_pixels():
    depth = np.full((HEIGHT, WIDTH), 2, np.float32)
    depth[:, 71:] = 4
    half = scaled(depth, 0.5).depth
    assert np.array_equal(half, cv2.resize(depth, (80, 60), interpolation=cv2.INTER_NEAREST_EXACT))


@pytest.mark.parametrize("scale", SCALES)
def test_unknown_depth_neither_spreads_nor_is_filled(scale):
    depth = plane([0, 0.7, 0.7], 2.0)
    unknown = RANDOM.random(depth.shape) < 0.1
    unknown[50:60] = True
    depth[unknown] = np.nan
    result = scaled(depth, scale)
    size = (result.width, result.height)
    nearest = cv2.resize(unknown.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    assert np.array_equal(np.isnan(result.depth), nearest.astype(bool))


def test_where_nothing_is_known_nothing_is_after():
    assert np.isnan(scaled(np.full((HEIGHT, WIDTH), np.nan, np.float32), 0.5).depth).all()


def test_confidence_goes_with_its_depth():
    depth = np.full((HEIGHT, WIDTH), 2, np.float32)
    depth[:, 71:] = 4
    confidence = np.where(depth == 2, 0.25, 0.75).astype(np.float32)
    result = scaled(depth, 0.5, confidence)
    assert np.array_equal(result.confidence, np.where(result.depth == 2, 0.25, 0.75))
    smooth = scaled(plane([0, 0.7, 0.7], 2.0), 0.5, np.tile(np.float32([0.2, 0.4]), (120, 80)))
    assert smooth.confidence == pytest.approx(0.3)


def test_the_image_has_the_same_pixels():
    result = scaled(plane([0, 0, 1], 2.0), 0.5)
    means = IMAGE.reshape(60, 2, 80, 2, 3).mean(axis=(1, 3))
    assert result.image.dtype == np.uint8
    assert np.abs(result.image - means).max() <= 0.5


def test_the_same_size_costs_nothing():
    depth = plane([0, 0.7, 0.7], 2.0)
    result = scaled(depth, 1.0)
    assert result.depth is depth
    assert result.image is IMAGE
    assert (result.height, result.width) == depth.shape


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (5, 2), (30, 40)])
def test_sizes_have_at_least_one_pixel(shape):
    depth = np.full(shape, 2, np.float32)
    result = ScaledResult(
        CompletionResult(depth, depth, depth, {}), np.zeros((*shape, 3), np.uint8), 0.05
    )
    assert result.depth.shape == (result.height, result.width)
    assert min(result.depth.shape) >= 1
    assert (result.depth == 2).all()
    assert result.image.shape == (*result.depth.shape, 3)
