"""Photographs with true depth: one from scikit-image, the others from a local data folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# Calibration in the documentation of skimage.data.stereo_motorcycle.
_MOTORCYCLE_FOCAL = 994.978
_MOTORCYCLE_CENTRE = (311.193, 254.877)
_MOTORCYCLE_BASELINE = 0.193001  # metres
_MOTORCYCLE_CENTRE_SHIFT = 31.086  # right camera's principal point minus the left one's, pixels


@dataclass(frozen=True)
class Scene:
    """One image and what is known about its depth.

    Attributes:
        name: of the frame.
        image: uint8 [H, W, 3] RGB.
        depth: float32 [H, W] metres, 0 = unknown.
        intrinsics: None where the data set does not document them.
        calibration: KITTI's ``P2`` and ``rect_from_lidar``, else empty.
    """

    name: str
    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    intrinsics: Intrinsics | None = None
    calibration: dict[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class SceneSet:
    """Scenes that are read one at a time.

    Attributes:
        name: of the data set.
        keys: one per scene.
        load: reads the scene of a key.
    """

    name: str
    keys: tuple[str, ...]
    load: Callable[[str], Scene]


def motorcycle() -> Scene:
    """The Middlebury motorcycle, 741x500 pixels, 2.1 to 5.0 m, from the scikit-image wheel."""
    from skimage import data

    image, _, disparity = data.stereo_motorcycle()
    known = np.isfinite(disparity) & (disparity > 0)
    disparity = np.where(known, disparity, np.float32(0))
    depth = _MOTORCYCLE_BASELINE * _MOTORCYCLE_FOCAL / (disparity + _MOTORCYCLE_CENTRE_SHIFT)
    height, width = depth.shape
    intrinsics = Intrinsics(
        _MOTORCYCLE_FOCAL, _MOTORCYCLE_FOCAL, *_MOTORCYCLE_CENTRE, width=width, height=height
    )
    return Scene("motorcycle", image, np.where(known, depth, 0).astype(np.float32), intrinsics)


def local_sets(data: Path) -> dict[str, SceneSet]:
    """Scene sets found under the data folder, by name; empty if there is no such folder."""
    loaders: dict[str, Callable[[Path, str], Scene]] = {
        "nyu_train": _load_nyu,
        "kitti_object_frames": _load_kitti,
        "seven_scenes_redkitchen": _load_red_kitchen,
        "hololens": _load_millimetres,
        "mosd_kinect": _load_millimetres,
    }
    every = {"nyu_train": 8}
    sets = {}
    for name, load in loaders.items():
        folder = data / name
        keys = sorted(path.stem for path in (folder / "image").glob("*"))[:: every.get(name, 1)]
        if keys:
            sets[name] = SceneSet(name, tuple(keys), _bind(load, folder))
    return sets


def _bind(load: Callable[[Path, str], Scene], folder: Path) -> Callable[[str], Scene]:
    return lambda key: load(folder, key)


def _load_nyu(folder: Path, key: str) -> Scene:
    """Half size, 8-bit depth; the usual centre crop also removes the white border."""
    rows, columns = slice(6, 234), slice(8, 312)
    stored = _read(folder / "depth" / f"{key}.png")
    depth = (stored.astype(np.float32) + 0.5) / 25.5
    intrinsics = Intrinsics(
        259.43, 259.73, 162.79 - columns.start, 126.87 - rows.start, width=304, height=228
    )
    image = _read_rgb(folder / "image" / f"{key}.jpg")
    return Scene(
        key,
        np.ascontiguousarray(image[rows, columns]),
        np.ascontiguousarray(depth[rows, columns]),
        intrinsics,
    )


def _load_kitti(folder: Path, key: str) -> Scene:
    """The LiDAR depth itself is the truth: hold scan lines out."""
    depth = _read(folder / "velodyne_raw" / f"{key}.png").astype(np.float32) / 256
    projection = np.loadtxt(folder / "calib" / f"{key}_P2.txt")
    rect_from_lidar = np.loadtxt(folder / "calib" / f"{key}_Tr_velo_to_rect.txt")
    height, width = depth.shape
    return Scene(
        key,
        _read_rgb(folder / "image" / f"{key}.png"),
        depth,
        Intrinsics(
            projection[0, 0], projection[1, 1], projection[0, 2], projection[1, 2], width, height
        ),
        {"P2": projection, "rect_from_lidar": rect_from_lidar},
    )


def _load_red_kitchen(folder: Path, key: str) -> Scene:
    scene = _load_millimetres(folder, key)
    return Scene(key, scene.image, scene.depth, Intrinsics(585, 585, 320, 240, 640, 480))


def _load_millimetres(folder: Path, key: str) -> Scene:
    stored = _read(folder / "depth" / f"{key}.png")
    known = stored != 65535
    depth = np.where(known, stored, 0).astype(np.float32) / 1000
    return Scene(key, _read_rgb(folder / "image" / f"{key}.jpg"), depth)


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _read(path: Path, mode: int = cv2.IMREAD_UNCHANGED) -> NDArray:  # type: ignore[type-arg]
    array = cv2.imread(str(path), mode)
    if array is None:
        raise FileNotFoundError(f"{path} cannot be read as an image")
    return array
