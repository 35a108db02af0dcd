"""Where training pairs come from: photographs with pseudo-ground-truth, and rendered scenes.

A pair is what the refinement network sees and what it has to say: image, the MDE's relative depth,
sparse depth, and dense log depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from starrygazer_training.pair_files import PhotographFiles, read_label
from starrygazer_training.pairs import pseudo_ground_truth, smooth_noise
from starrygazer_training.relative_depth import read_relative_depth
from starrygazer_training.renders import read_render
from starrygazer_training.sparse.law import MINIMUM_POINTS, PatternLaw, sample_sparse

ZOOM = (0.5, 1.8)  # of a crop; below 1 it shows more of the scene
# The MDE has seen neither the photographs' labels nor the renders' depth so often that it would
# be much better on them than in the field; still, the network must not rely on it blindly.
RELATIVE_DEPTH_NOISE = (0.0, 0.25)  # standard deviation over the spread of relative depth
UNRELATED_SHARE = 0.03  # of rendered pairs whose relative depth belongs to another scene

FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """One training sample.

    Attributes:
        image: [3, H, W] RGB in 0..1.
        relative_depth: [1, H, W] the MDE's relative inverse depth.
        sparse_depth: [1, H, W] metres, 0 = none.
        log_depth: [1, H, W] natural logarithm of depth.
        known: [1, H, W] in {0, 1}, where ``log_depth`` says something.
    """

    image: Tensor
    relative_depth: Tensor
    sparse_depth: Tensor
    log_depth: Tensor
    known: Tensor


class PairSource(Protocol):
    """Draws pairs; safe to call from several threads."""

    def __len__(self) -> int: ...

    def pair(self, index: int, seed: int) -> Pair:
        """A random crop of scene ``index``; the same seed gives the same pair."""
        ...


def stack(pairs: Sequence[Pair]) -> Pair:
    """A batch: every map gets a leading dimension."""
    return Pair(*(torch.stack([getattr(p, f.name) for p in pairs]) for f in fields(Pair)))


def whole_cells(batch: Pair, multiple: int) -> Pair:
    """A batch without the rows and columns beyond a multiple."""
    height, width = (side - side % multiple for side in batch.image.shape[-2:])
    return Pair(*(getattr(batch, f.name)[..., :height, :width] for f in fields(Pair)))


class PhotographPairs:
    """Photographs with pseudo-ground-truth made of their segments; all kept in memory.

    Args:
        photographs: what the caches hold of each.
        law: of the sparse depth.
        crop: rows and columns of a sample.
    """

    def __init__(
        self, photographs: Sequence[PhotographFiles], law: PatternLaw, crop: tuple[int, int]
    ) -> None:
        self._law, self._crop = law, crop
        self._images = [photograph.frame.image() for photograph in photographs]
        self._segments = [photograph.segments for photograph in photographs]
        self._relative: list[NDArray[np.float16]] = []
        self._labels: list[NDArray[np.float16]] = []
        for photograph, image in zip(photographs, self._images, strict=True):
            size = image.shape[0], image.shape[1]
            relative = read_relative_depth(photograph.relative_depth, size)
            label = read_label(photograph.relative_depth, photograph.label, size)
            self._relative.append(relative.astype(np.float16))
            self._labels.append(label.astype(np.float16))

    def __len__(self) -> int:
        return len(self._images)

    def pair(self, index: int, seed: int) -> Pair:
        """See :class:`PairSource`."""
        rng = np.random.default_rng(seed)
        window = _Window(self._images[index].shape, self._crop, rng)
        _, segments = np.unique(window.nearest(self._segments[index]), return_inverse=True)
        log_depth = pseudo_ground_truth(
            window.smooth(self._labels[index]), segments.reshape(self._crop).astype(np.int32), rng
        )
        return _finish(
            window.smooth(self._images[index]) / 255.0,
            window.smooth(self._relative[index]),
            log_depth,
            np.ones(self._crop, bool),
            rng,
            self._law,
        )


class RenderedPairs:
    """Rendered scenes with their exact depth; read from disk when drawn.

    Args:
        folder: of the renders.
        relative_depth: cache files of the MDE's relative depth, one per scene.
        law: of the sparse depth.
        crop: rows and columns of a sample.
    """

    def __init__(
        self,
        folder: Path,
        relative_depth: Sequence[Path],
        law: PatternLaw,
        crop: tuple[int, int],
    ) -> None:
        self._folder, self._relative_depth = folder, relative_depth
        self._law, self._crop = law, crop

    def __len__(self) -> int:
        return len(self._relative_depth)

    def pair(self, index: int, seed: int) -> Pair:
        """See :class:`PairSource`."""
        rng = np.random.default_rng(seed)
        image, depth = read_render(self._folder, index)
        unrelated = rng.random() < UNRELATED_SHARE
        other = int(rng.integers(len(self))) if unrelated else index
        size = image.shape[0], image.shape[1]
        relative_depth = read_relative_depth(self._relative_depth[other], size)
        while True:
            window = _Window(image.shape, self._crop, rng)
            part = window.nearest(depth)
            known = part > 0
            if np.count_nonzero(known) >= max(MINIMUM_POINTS, 0.2 * known.size):
                break
        log_depth = np.log(np.where(known, part, 1.0)).astype(np.float32)
        relative = window.smooth(relative_depth)
        spread = np.abs(relative - np.median(relative)).mean()
        strength = rng.uniform(*RELATIVE_DEPTH_NOISE) * rng.random()
        relative = relative + spread * strength * smooth_noise(self._crop, rng)
        return _finish(window.smooth(image) / 255.0, relative, log_depth, known, rng, self._law)


class _Window:
    """A random part of an image, scaled by a factor in ``ZOOM`` to the size of a crop."""

    def __init__(
        self, shape: Sequence[int], crop: tuple[int, int], rng: np.random.Generator
    ) -> None:
        height, width = shape[:2]
        factor = np.exp(rng.uniform(*np.log(ZOOM)))
        factor = max(factor, crop[0] / height, crop[1] / width)
        rows, columns = min(height, round(crop[0] / factor)), min(width, round(crop[1] / factor))
        self._crop, self._shrinks = crop, factor < 1
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        self._window = slice(top, top + rows), slice(left, left + columns)

    def smooth(self, array: NDArray[np.generic]) -> FloatMap:
        return self._resize(array, cv2.INTER_AREA if self._shrinks else cv2.INTER_LINEAR)

    def nearest(self, array: NDArray[np.generic]) -> FloatMap:
        return self._resize(array, cv2.INTER_NEAREST)

    def _resize(self, array: NDArray[np.generic], interpolation: int) -> FloatMap:
        part = np.ascontiguousarray(array[self._window], dtype=np.float32)
        return np.asarray(
            cv2.resize(part, self._crop[::-1], interpolation=interpolation), np.float32
        )


def _finish(
    image: FloatMap,
    relative_depth: FloatMap,
    log_depth: FloatMap,
    known: NDArray[np.bool_],
    rng: np.random.Generator,
    law: PatternLaw,
) -> Pair:
    """Sample the sparse depth, change the exposure, mirror."""
    sparse = sample_sparse(log_depth, rng, image, known, law)
    image = np.clip(image ** rng.uniform(0.7, 1.4) * rng.uniform(0.7, 1.2), 0, 1)
    maps = [image.transpose(2, 0, 1), relative_depth[None], sparse[None], log_depth[None]]
    maps.append(known[None].astype(np.float32))
    if rng.random() < 0.5:
        maps = [m[..., ::-1] for m in maps]
    return Pair(*(torch.from_numpy(np.ascontiguousarray(m, dtype=np.float32)) for m in maps))
