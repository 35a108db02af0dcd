from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the demo needs requirements/demo.txt")
pytest.importorskip("skimage", reason="the demo needs requirements/demo.txt")
from demo.exchange import Cloud
from demo.report import picture_of
from starrygazer_ros.completion import Intrinsics, back_project

CAMERA = Intrinsics(fx=100, fy=100, cx=79.5, cy=59.5, width=160, height=120)
FLYING = (255, 0, 255)


def cloud(depth: np.ndarray, between: np.ndarray) -> Cloud:
    """Grey points, but those between two surfaces stand out."""
    colours = np.full((*depth.shape, 3), 120, np.uint8)
    colours[between] = FLYING
    return Cloud(back_project(depth, CAMERA).reshape(-1, 3), colours.reshape(-1, 3))


def test_the_picture_of_the_cloud_is_without_points_between_two_surfaces() -> None:
    depth = np.full((120, 160), 2, np.float32)
    depth[:, 80:] = 4
    depth[:, 78:82] = (2.2, 2.6, 3.1, 3.6)
    between = (depth > 2) & (depth < 4)

    picture = picture_of(cloud(depth, between), CAMERA)

    assert picture.shape[0] > 120  # a caption
    assert picture.shape[1] == 160
    assert (picture == 120).all(axis=2).sum() > 5000
    assert not (picture == FLYING).all(axis=2).any()


def test_the_picture_of_the_cloud_keeps_surfaces_and_skips_unknown_points() -> None:
    depth = np.full((120, 160), 2, np.float32)
    depth[:40] = np.nan

    picture = picture_of(cloud(depth, np.ones_like(depth, bool)), CAMERA)

    assert (picture[-120:] == FLYING).all(axis=2).sum() > 5000
