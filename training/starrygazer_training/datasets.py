"""Where photographs and frames with depth lie in the data folder, and how each folder is read.

Every frame is a :class:`Frame`: a path to an image and, where there is one, to a metric depth map.
Only photographs are needed; folders with depth are used where they are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
KINECT_INVALID = 65535
PHOTOGRAPHS = "photos"


@dataclass(frozen=True)
class Frame:
    """One photograph and, for folders with depth, the way to its depth.

    Attributes:
        dataset: name of the data set it comes from.
        folder: of the data set.
        image_path: RGB image file below it.
        depth_path: depth file or ``None`` for plain photographs.
        decode: metres, 0 = unknown, from what the depth file holds.
    """

    dataset: str
    folder: Path
    image_path: Path
    depth_path: Path | None = None
    decode: Callable[[NDArray[Any]], NDArray[np.floating]] | None = None

    @property
    def key(self) -> str:
        """Name that no other frame has, with ``/`` between folders."""
        return f"{self.dataset}/{self.image_path.relative_to(self.folder).as_posix()}"

    def image(self) -> NDArray[np.uint8]:
        """RGB uint8 [H, W, 3]."""
        return read_image(self.image_path)

    def depth(self) -> NDArray[np.float32]:
        """Metric depth float32 [H, W] in metres, 0 = unknown."""
        if self.depth_path is None or self.decode is None:
            raise ValueError(f"{self.image_path} has no depth")
        raw = cv2.imread(str(self.depth_path), cv2.IMREAD_UNCHANGED)
        if raw is None:
            raise ValueError(f"cannot read depth image {self.depth_path}")
        return self.decode(raw).astype(np.float32)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as RGB uint8 [H, W, 3]."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"cannot read image {path}")
    return np.ascontiguousarray(bgr[..., ::-1])


def _kitti(raw: NDArray[Any]) -> NDArray[np.floating]:
    return raw.astype(np.float32) / 256.0


def _millimetres(raw: NDArray[Any]) -> NDArray[np.floating]:
    return np.where(raw == KINECT_INVALID, 0, raw).astype(np.float32) / 1000.0


def _nyu(raw: NDArray[Any]) -> NDArray[np.floating]:
    return (raw.astype(np.float32) + 0.5) / 25.5


_DEPTH_UNITS: dict[str, Callable[[NDArray[Any]], NDArray[np.floating]]] = {
    "kitti_object_frames": _kitti,
    "kitti_sfnd": _kitti,
    "kitti_rebuilt_gt_0009": _kitti,
    "seven_scenes_redkitchen": _millimetres,
    "hololens": _millimetres,
    "mosd_kinect": _millimetres,
    "nyu_train": _nyu,
}
_DEPTH_FOLDERS = {
    "kitti_object_frames": "velodyne_raw",
    "kitti_sfnd": "velodyne_raw",
    "kitti_rebuilt_gt_0009": "groundtruth_depth",
}
# Never trained on: a number called zero-shot on NYU has to be one.
NYU = "nyu_train"
TEACHER_DATASETS = (
    "kitti_object_frames",
    "kitti_sfnd",
    "seven_scenes_redkitchen",
    "hololens",
    "mosd_kinect",
)


def photographs(root: Path) -> list[Frame]:
    """All plain photographs below ``root``/photos that can be read, sorted by path.

    Raises:
        FileNotFoundError: there are none.
    """
    folder = root / PHOTOGRAPHS
    if not root.is_dir():
        raise FileNotFoundError(f"there is no data folder {root}")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileNotFoundError(
            f"no photographs ({', '.join(sorted(IMAGE_SUFFIXES))}) in {folder}: put them there, "
            "in any sub-folders"
        )
    stats = [path.stat() for path in paths]
    known = tuple((p, s.st_mtime_ns, s.st_size) for p, s in zip(paths, stats, strict=True))
    return [Frame(PHOTOGRAPHS, folder, path) for path in _readable(known)]


@lru_cache(maxsize=4)  # every stage asks again; changed files are looked at again
def _readable(files: tuple[tuple[Path, int, int], ...]) -> list[Path]:
    """Paths of the images that can be decoded; says which cannot."""
    paths = []
    for path, _, _ in files:
        if cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8) is None:
            print(f"{path} cannot be read as an image, left out")
        else:
            paths.append(path)
    if not paths:
        raise FileNotFoundError(f"none of {len(files)} photographs can be read, e.g. {files[0][0]}")
    return paths


def depth_sets(root: Path, names: Sequence[str]) -> dict[str, list[Frame]]:
    """Frames with depth of those data sets that are there; says which are not.

    Raises:
        FileNotFoundError: a folder is there, but images or their depth are missing in it.
    """
    there = [name for name in names if (root / name).is_dir()]
    if missing := sorted(set(names) - set(there)):
        print(f"not in {root}, left out: {', '.join(missing)}")
    return {name: depth_frames(root, name) for name in there}


def depth_frames(root: Path, dataset: str) -> list[Frame]:
    """All frames with depth of one data set, sorted by name.

    Raises:
        FileNotFoundError: images or their depth are missing.
    """
    folder = root / dataset
    depth_folder = folder / _DEPTH_FOLDERS.get(dataset, "depth")
    images = sorted(p for p in (folder / "image").glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    frames = [
        Frame(dataset, folder, image, depth_folder / f"{image.stem}.png", _DEPTH_UNITS[dataset])
        for image in images
    ]
    missing = [str(f.depth_path) for f in frames if f.depth_path and not f.depth_path.exists()]
    if missing or not frames:
        raise FileNotFoundError(
            f"{folder}: {len(missing)} images without depth, e.g. {missing[0]}"
            if missing
            else f"{folder}: no images in {folder / 'image'}"
        )
    return frames


def held_out(frames: list[Frame], every: int = 10) -> Iterator[tuple[bool, Frame]]:
    """Pair each frame with whether it is held out of training.

    The last ``1 / every`` of a folder is held out as one block, because neighbouring frames of a
    sequence show the same scene.
    """
    first_held_out = len(frames) - max(1, len(frames) // every)
    for index, frame in enumerate(frames):
        yield index >= first_held_out, frame
