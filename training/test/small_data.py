"""A drawn data folder with backbone features, so that every stage runs in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file
from starrygazer_training import datasets
from starrygazer_training.dinov2 import WIDTH
from starrygazer_training.features import feature_path, patch_grid
from starrygazer_training.teacher import TOKENS
from starrygazer_training.teacher_network import TeacherHead

SIZE = (96, 128)
PHOTOS = 6
FRAMES = 12  # the refinement looks at every 8th and 12th frame of two data sets


def write_data(root: Path) -> None:
    """Photographs and one folder per data set with depth: a floor, a wall and a moving box."""
    for index in range(PHOTOS):
        image, _ = _scene(index)
        _write(root / "photos" / "drawn" / f"{index:03}.png", image)
    for name in (*datasets.TEACHER_DATASETS, "nyu_train"):
        for index in range(FRAMES if name in ("nyu_train", "seven_scenes_redkitchen") else 2):
            image, depth = _scene(index)
            _write(root / name / "image" / f"{index:03}.png", image)
            folder = "groundtruth_depth" if name == "kitti_rebuilt_gt_0009" else "depth"
            if name in ("kitti_object_frames", "kitti_sfnd"):
                folder, stored = "velodyne_raw", (depth * 256).astype(np.uint16)
            elif name == "nyu_train":
                stored = (depth * 25.5).astype(np.uint8)
            else:
                stored = (depth * 1000).astype(np.uint16)
            _write(root / name / folder / f"{index:03}.png", stored)


def write_features(root: Path, cache: Path) -> None:
    """Numbers in place of the backbone's features, for every frame that the stages ask for."""
    frames = datasets.photographs(root)
    for name in (*datasets.TEACHER_DATASETS, "nyu_train"):
        frames += datasets.depth_frames(root, name)
    rows, columns = patch_grid(*SIZE, TOKENS)
    for number, frame in enumerate(frames):
        for flip in (False, True):
            rng = np.random.default_rng([number, flip])
            path = feature_path(cache, frame, TOKENS, flip)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, rng.normal(size=(4, WIDTH, rows, columns)).astype(np.float16))


def write_teacher(work: Path) -> None:
    """A teacher with first weights, as if its training were over."""
    torch.manual_seed(1)
    work.mkdir(parents=True, exist_ok=True)
    save_file(TeacherHead().state_dict(), work / "teacher.safetensors")


def _scene(index: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = SIZE
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
    depth = np.minimum(5.0, 70.0 / np.maximum(v - 30.0, 1.0)).astype(np.float32)
    image = np.dstack([120 + 60 * np.sin(u / 6), 110 + 50 * np.sin(v / 4), 140 - v / 2])
    left = 8 + 9 * index % (columns - 40)
    depth[40:80, left : left + 30] = 1.5
    image[40:80, left : left + 30] = (40, 200, 90)
    return image.clip(0, 255).astype(np.uint8), depth


def _write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)
