"""Rendered scenes on disk: written once, by several processes, and restartable."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing.connection import wait
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from starrygazer_training import datasets
from starrygazer_training.atomic_files import open_replacement
from starrygazer_training.scenes.sampling import random_scene

TEXTURE_PHOTOGRAPHS = 300
# Depth is kept as 16-bit logarithm: steps of 0.014% from 0.1 to 1000 m.
NEAREST, FARTHEST = 0.1, 1000.0
_CODES = 65534


def make_renders(photographs: Sequence[Path], folder: Path, count: int, workers: int = 2) -> None:
    """Render scenes 0..count-1 into ``folder``; those that exist are skipped.

    Scene N depends on N, on the photographs and on this package, not on the others. A run that was
    killed leaves complete scenes, and at most a ``.partial`` file per worker, which nobody reads.

    Args:
        photographs: image files for textures and skies.
        folder: gets ``image/NNNNNN.png`` and ``depth/NNNNNN.png``.
        count: how many scenes there shall be.
        workers: processes.

    Raises:
        ValueError: a photograph cannot be read.
        OSError: a file cannot be written.
    """
    for path in render_paths(folder, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(count) if not render_paths(folder, i)[1].exists()]
    if not missing:
        return
    chosen = tuple(photographs[:: max(1, len(photographs) // TEXTURE_PHOTOGRAPHS)])
    # Spawned, because a fork of a process with PyTorch's threads may wait for a lock for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)), context, _end_with_parent) as pool:
        jobs = pool.map(_write, ((folder, index, chosen) for index in missing), chunksize=8)
        for _ in tqdm(jobs, total=len(missing), desc="renders", mininterval=10):
            pass


def read_render(folder: Path, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Image uint8 [H, W, 3] RGB and depth float32 [H, W] metres, 0 = sky.

    Raises:
        FileNotFoundError: this scene was not rendered.
        ValueError: one of its files is damaged.
    """
    image_path, depth_path = render_paths(folder, index)
    if not depth_path.exists():
        raise FileNotFoundError(f"{depth_path} is missing: render the scenes first")
    image = cv2.imread(str(image_path), cv2.IMREAD_COLOR)
    code = cv2.imread(str(depth_path), cv2.IMREAD_UNCHANGED)
    if image is None or code is None or code.dtype != np.uint16 or code.shape != image.shape[:2]:
        raise ValueError(f"scene {index} is damaged: delete {depth_path}, and it is rendered again")
    return np.ascontiguousarray(image[..., ::-1], np.uint8), decode_depth(code.astype(np.uint16))


def encode_depth(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Metres to codes; 0 stays 0, and what lies outside 0.1 to 1000 m moves to the limit."""
    share = np.log(np.maximum(depth, NEAREST) / NEAREST) / np.log(FARTHEST / NEAREST)
    code = np.where(depth > 0, 1 + np.minimum(share, 1) * _CODES, 0)
    return np.asarray(code.round(), np.uint16)


def decode_depth(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Codes to metres; 0 stays 0."""
    share = (code.astype(np.float32) - 1) / _CODES
    depth = NEAREST * np.exp(share * np.float32(np.log(FARTHEST / NEAREST)))
    return np.where(code > 0, depth, 0).astype(np.float32)


def _end_with_parent() -> None:
    """Start of a worker: without this it would wait for jobs for ever if its parent is killed."""
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch(sentinel: int = parent.sentinel) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@lru_cache(1)
def _images(paths: tuple[Path, ...]) -> list[NDArray[np.uint8]]:
    """Of one worker process."""
    return [datasets.read_image(path) for path in paths]


def _write(job: tuple[Path, int, tuple[Path, ...]]) -> None:
    folder, index, photographs = job
    image, depth = random_scene(np.random.default_rng(index), _images(photographs))
    image_path, depth_path = render_paths(folder, index)
    _write_png(image_path, image[..., ::-1])
    _write_png(depth_path, encode_depth(depth))  # last, so that a scene with depth is complete


def _write_png(path: Path, pixels: NDArray[np.generic]) -> None:
    """A file that is there is whole; two processes may write the same one."""
    done, code = cv2.imencode(".png", np.ascontiguousarray(pixels))
    assert done
    with open_replacement(path) as file:
        file.write(code.tobytes())


def image_folder(folder: Path) -> Path:
    """The images of all scenes and nothing else."""
    return folder / "image"


def render_paths(folder: Path, index: int) -> tuple[Path, Path]:
    """Image and depth file of a scene."""
    name = f"{index:06d}.png"
    return image_folder(folder) / name, folder / "depth" / name
