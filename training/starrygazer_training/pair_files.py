"""What pairs are drawn from, kept on disk: relative depth, labels, segments, rendered scenes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from starrygazer_training import accurate, datasets, distillation, student
from starrygazer_training.atomic_files import replacement
from starrygazer_training.config import RefineConfig
from starrygazer_training.datasets import Frame
from starrygazer_training.distillation import label_path
from starrygazer_training.export import MAXIMUM_SIDE, export_onnx
from starrygazer_training.relative_depth import (
    Mde,
    cache_relative_depth,
    read_relative_depth,
    relative_depth_path,
)
from starrygazer_training.rendered_frames import render_folder, rendered_frames
from starrygazer_training.renders import image_folder
from starrygazer_training.run_state import require_folder
from starrygazer_training.sam import SamParams, require_sam
from starrygazer_training.segment_cache import SegmentCache
from starrygazer_training.segmentation import SegmentParams

STUDENT, ACCURATE = "student", "accurate"
NO_SEGMENTS, SAM = "none", "sam"
MDE_PIXELS = 65536  # of the student's input

FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class PhotographFiles:
    """One photograph and what the MDE and the teacher say about it.

    Attributes:
        frame: the photograph.
        relative_depth: cache file of the MDE's relative depth.
        label: cache file of the teacher's; none = the MDE is its own teacher.
        segments: uint16 [H, W] labels 0..N-1.
    """

    frame: Frame
    relative_depth: Path
    label: Path | None
    segments: NDArray[np.uint16]


@dataclass(frozen=True)
class PairFiles:
    """Everything that pairs are drawn from.

    Attributes:
        mde: the MDE whose relative depth the refinement gets.
        photographs: readable photographs.
        renders: folder of the rendered scenes.
        rendered: cache files of the MDE's relative depth, one per scene.
    """

    mde: Mde
    photographs: list[PhotographFiles]
    renders: Path
    rendered: list[Path]


def prepare(root: Path, work: Path, config: RefineConfig) -> PairFiles:
    """Fill the caches; what is there already is kept.

    Args:
        root: data folder.
        work: folder of the trained networks and of ``cache/``.
        config: which MDE, which segments, how many renders.

    Raises:
        BundleError: ``config.mde`` names no usable bundle.
        ConfigError: ``work`` is a file, or SAM cannot be loaded.
    """
    require_folder(work)
    segmentation = _segmentation(config)  # first: what SAM lacks shows before hours of work
    mde = find_mde(config.mde, work)
    cache = work / "cache"
    photos, depths = root / datasets.PHOTOGRAPHS, cache / "relative_depth"
    report = cache_relative_depth(photos, mde, depths / datasets.PHOTOGRAPHS)
    unreadable = {path for path, _ in report.failed}
    segments = SegmentCache(cache / "segments", segmentation) if segmentation else None
    photographs = []
    for frame in tqdm(datasets.photographs(root), desc="segments", mininterval=5):
        if frame.image_path in unreadable:
            continue
        path = relative_depth_path(depths / datasets.PHOTOGRAPHS, mde, photos, frame.image_path)
        label = label_path(work, frame) if networks_before(config.mde) else None
        image = frame.image()
        size = image.shape[0], image.shape[1]
        if segments is None:
            labels = np.zeros(size, np.int32)
        else:
            labels = segments.labels(frame.key, read_label(path, label, size), image)
        photographs.append(PhotographFiles(frame, path, label, labels.astype(np.uint16)))

    images = image_folder(render_folder(work))
    if rendered_frames(root, work, config.renders):
        cache_relative_depth(images, mde, depths / "renders")
    rendered = [
        relative_depth_path(depths / "renders", mde, images, images / f"{index:06d}.png")
        for index in range(config.renders)
    ]
    return PairFiles(mde, photographs, render_folder(work), rendered)


def _segmentation(config: RefineConfig) -> SegmentParams | SamParams | None:
    """How photographs are segmented; None = not at all.

    Raises:
        ConfigError: SAM cannot be loaded.
    """
    if config.segments == NO_SEGMENTS:
        return None
    if config.segments != SAM:
        return SegmentParams(channels=config.segments, snap_band=config.snap_band)
    assert config.sam_checkpoint is not None  # the configuration refuses that
    params = SamParams(Path(config.sam_checkpoint).expanduser())
    require_sam(params.checkpoint)
    return params


def networks_before(mde: str) -> tuple[str, ...]:
    """Networks that must be trained before pairs can be made with an MDE; none with a bundle's."""
    return {STUDENT: ("teacher", "student"), ACCURATE: ("teacher",)}.get(mde, ())


def find_mde(name: str, work: Path) -> Mde:
    """The student or the teacher trained in ``work``, or the MDE of a bundle.

    Networks trained here are exported first, so that relative depth is computed as at run time.
    """
    if name == STUDENT:
        model, multiple, pixels = distillation.load_student(work), student.MULTIPLE, MDE_PIXELS
        weights = work / "student.safetensors"
    elif name == ACCURATE:
        model, multiple = accurate.load_accurate(work), accurate.MULTIPLE
        pixels, weights = accurate.PIXELS, work / "teacher.safetensors"
    else:
        return Mde.from_bundle(name)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    path = work / "cache" / "mde" / f"{name}-{sha256[:16]}.onnx"
    if not path.exists():
        with replacement(path) as partial:
            export_onnx(model, {"image": 3}, ["relative_depth"], multiple, partial)
    largest = MAXIMUM_SIDE // multiple * multiple
    return Mde.from_onnx(path, pixels, multiple, 2 * multiple, largest)


def read_label(relative_depth: Path, label: Path | None, size: tuple[int, int]) -> FloatMap:
    """Relative depth that is segmented and rescaled, float32 [*size], most of it in 0..1."""
    if label is None:
        values = read_relative_depth(relative_depth, size)
        low, high = np.percentile(values, (2, 98))
        return np.asarray((values - low) / max(high - low, 1e-6), np.float32)
    values = np.load(label, allow_pickle=False).astype(np.float32)
    resized = cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)
