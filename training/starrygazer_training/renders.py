"""Rendered scenes on disk: written once, by several processes, and restartable."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from starrygazer_training import datasets
from starrygazer_training.procedural import random_scene

TEXTURE_PHOTOGRAPHS = 300
# Depth is kept as 16-bit logarithm: steps of 0.014% from 0.1 to 1000 m.
NEAREST, FARTHEST = 0.1, 1000.0
_CODES = 65534

_photographs: list[NDArray[np.uint8]] = []  # of one worker process


def make_renders(photographs: Sequence[Path], folder: Path, count: int, workers: int = 2) -> None:
    """Render scenes 0..count-1 into ``folder``; those that exist are skipped.

    Args:
        photographs: image files for textures and skies.
        folder: gets ``NNNNNN.image.png`` and ``NNNNNN.depth.png``.
        count: how many scenes there shall be.
        workers: processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(count) if not _paths(folder, i)[1].exists()]
    chosen = photographs[:: max(1, len(photographs) // TEXTURE_PHOTOGRAPHS)]
    with ProcessPoolExecutor(workers, initializer=_load, initargs=(list(chosen),)) as pool:
        jobs = pool.map(_write, ((folder, index) for index in missing), chunksize=8)
        for _ in tqdm(jobs, total=len(missing), desc="renders", mininterval=10):
            pass


def read_render(folder: Path, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Image uint8 [H, W, 3] RGB and depth float32 [H, W] metres, 0 = sky.

    Raises:
        FileNotFoundError: this scene was not rendered, or its file is damaged.
    """
    image_path, depth_path = _paths(folder, index)
    code = cv2.imread(str(depth_path), cv2.IMREAD_UNCHANGED)
    if code is None:
        raise FileNotFoundError(f"{depth_path} is missing or damaged: render it again")
    return datasets.read_image(image_path), decode_depth(code)


def encode_depth(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Metres to codes; 0 stays 0."""
    share = np.log(np.maximum(depth, NEAREST) / NEAREST) / np.log(FARTHEST / NEAREST)
    return np.where(depth > 0, 1 + np.minimum(share, 1) * _CODES, 0).round().astype(np.uint16)


def decode_depth(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Codes to metres; 0 stays 0."""
    share = (code.astype(np.float32) - 1) / _CODES
    depth = NEAREST * np.exp(share * np.float32(np.log(FARTHEST / NEAREST)))
    return np.where(code > 0, depth, 0).astype(np.float32)


def _load(paths: list[Path]) -> None:
    cv2.setNumThreads(1)
    _photographs.extend(datasets.read_image(path) for path in paths)


def _write(job: tuple[Path, int]) -> None:
    folder, index = job
    image, depth = random_scene(np.random.default_rng(index), _photographs)
    image_path, depth_path = _paths(folder, index)
    cv2.imwrite(str(image_path), image[..., ::-1])
    partial = depth_path.with_suffix(".partial.png")
    cv2.imwrite(str(partial), encode_depth(depth))
    partial.rename(depth_path)  # last, so that a scene with depth is complete


def _paths(folder: Path, index: int) -> tuple[Path, Path]:
    return folder / f"{index:06d}.image.png", folder / f"{index:06d}.depth.png"
