"""Photographs with true depth: one from scikit-image, the others from a local data folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics
from starrygazer_ros.demo import photographs

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


class SceneError(ValueError):
    """A data set or one of its frames cannot be scored; the message names it."""


@dataclass(frozen=True)
class Scene:
    """One image and what is known about its depth.

    Attributes:
        name: of the frame.
        image: uint8 [H, W, 3] RGB.
        depth: float32 [H, W] metres, 0 = unknown.
        intrinsics: None where the data set does not document them.
        sparse_depth: float32 [H, W] metres, 0 = none; what a sensor measured sparsely, where the
            data set has it beside the depth.
        calibration: KITTI's ``P2`` and ``rect_from_lidar``, else empty.
    """

    name: str
    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    intrinsics: Intrinsics | None = None
    sparse_depth: NDArray[np.float32] | None = None
    calibration: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def camera(self) -> Intrinsics:
        """The intrinsics, assumed where they are not documented."""
        height, width = self.depth.shape
        return self.intrinsics or assumed_intrinsics(width, height)


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


def assumed_intrinsics(width: int, height: int) -> Intrinsics:
    """For data sets that do not document them: horizontal field of view of 60 degrees."""
    focal = width / 2 / np.tan(np.deg2rad(30))
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def motorcycle() -> Scene:
    """The photograph of the demo."""
    photograph = photographs.motorcycle()
    return Scene("motorcycle", photograph.image, photograph.depth, photograph.intrinsics)


def local_sets(data: Path) -> dict[str, SceneSet]:
    """Scene sets found under the data folder, by name; empty if there is no such folder."""
    loaders: dict[str, Callable[[Path, str], Scene]] = {
        "nyu_train": _load_nyu,
        "kitti_rebuilt_gt_0009": _load_kitti_rebuilt,
        "kitti_object_frames": _load_kitti,
        "seven_scenes_redkitchen": _load_red_kitchen,
        "hololens": _load_millimetres,
        "mosd_kinect": _load_millimetres,
        "rpng_visslam_azurekinect": _load_slam,
    }
    every = {"nyu_train": 8}
    image_folders = {"rpng_visslam_azurekinect": "color"}
    sets = {}
    for name, load in loaders.items():
        images = data / name / image_folders.get(name, "image")
        keys = sorted(path.stem for path in images.glob("*"))[:: every.get(name, 1)]
        if keys:
            sets[name] = SceneSet(name, tuple(keys), _bind(load, data / name))
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
    calibration = folder / "calib"
    return _kitti_scene(
        key,
        folder,
        truth=folder / "velodyne_raw",
        projection=np.loadtxt(calibration / f"{key}_P2.txt"),
        rect_from_lidar=np.loadtxt(calibration / f"{key}_Tr_velo_to_rect.txt"),
    )


def _load_kitti_rebuilt(folder: Path, key: str) -> Scene:
    """The truth was put together from neighbouring scans; the frame's own scan stands beside it."""
    scene = _kitti_scene(
        key,
        folder,
        truth=folder / "groundtruth_depth",
        projection=np.loadtxt(folder / "calib" / "P_rect_02.txt"),
        rect_from_lidar=np.loadtxt(folder / "calib" / "Tr_velo_to_rectcam0.txt"),
    )
    return replace(scene, sparse_depth=_read_kitti_depth(folder / "velodyne_raw" / f"{key}.png"))


def _kitti_scene(
    key: str,
    folder: Path,
    truth: Path,
    projection: NDArray[np.float64],
    rect_from_lidar: NDArray[np.float64],
) -> Scene:
    depth = _read_kitti_depth(truth / f"{key}.png")
    height, width = depth.shape
    return Scene(
        key,
        _read_rgb(folder / "image" / f"{key}.png"),
        depth,
        Intrinsics(
            projection[0, 0], projection[1, 1], projection[0, 2], projection[1, 2], width, height
        ),
        calibration={"P2": projection, "rect_from_lidar": rect_from_lidar},
    )


def _read_kitti_depth(path: Path) -> NDArray[np.float32]:
    return np.asarray(_read(path).astype(np.float32) / 256, np.float32)


def _load_red_kitchen(folder: Path, key: str) -> Scene:
    scene = _load_millimetres(folder, key)
    return Scene(key, scene.image, scene.depth, Intrinsics(585, 585, 320, 240, 640, 480))


def _load_millimetres(folder: Path, key: str) -> Scene:
    stored = _read(folder / "depth" / f"{key}.png")
    known = stored != 65535
    depth = np.where(known, stored, 0).astype(np.float32) / 1000
    return Scene(key, _read_rgb(folder / "image" / f"{key}.jpg"), depth)


def _load_slam(folder: Path, key: str) -> Scene:
    """The landmarks of visual-inertial SLAM are all that is known: hold some out."""
    image = _read_rgb(folder / "color" / f"{key}.png")
    height, width = image.shape[:2]
    camera = Intrinsics(577.591, 578.73, 318.905, 242.684, width, height)
    name = key.replace("color", "depth_sparse")
    landmarks = np.loadtxt(folder / "depth_sparse" / f"{name}.txt", ndmin=2)[:, 1:]
    return Scene(key, image, _project(landmarks, camera), camera)


def _project(points: NDArray[np.float64], camera: Intrinsics) -> NDArray[np.float32]:
    """Depth image of points [N, 3] in the optical frame; of two in a pixel the nearer one stays."""
    x, y, z = points[points[:, 2] > 0].T
    u = np.rint(camera.cx + camera.fx * x / z).astype(int)
    v = np.rint(camera.cy + camera.fy * y / z).astype(int)
    inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    np.minimum.at(depth, (v[inside], u[inside]), z[inside].astype(np.float32))
    return np.where(np.isfinite(depth), depth, np.float32(0))


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _read(path: Path, mode: int = cv2.IMREAD_UNCHANGED) -> NDArray:  # type: ignore[type-arg]
    array = cv2.imread(str(path), mode)
    if array is None:
        raise FileNotFoundError(f"{path} cannot be read as an image")
    return array
