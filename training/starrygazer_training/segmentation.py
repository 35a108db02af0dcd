"""Segments of a photograph whose depths are rescaled against each other.

A monocular network is right inside an object and wrong between objects, so the paper segments its
relative depth, not the photograph. The default is a graph segmentation of relative depth alone;
colour beside it or instead of it is an option, and so is the Segment Anything Model (SAM) for a
user who has its weights. :class:`SegmentCache` keeps results on disk.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from zipfile import BadZipFile

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import felzenszwalb
from torch.nn import functional as F

from starrygazer_training.dinov2 import IMAGE_MEAN, IMAGE_STD

FloatMap = NDArray[np.float32]
LabelMap = NDArray[np.int32]
Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Channels = Literal["depth", "depth+rgb", "rgb"]

RAMP_STRIDE = 3  # pixels; a smooth surface needs no more
RAMP_ITERATIONS = 5
RAMP_TOLERANCE = 0.1  # distance from the surface at which a pixel's weight has halved

_CHANNELS = ("depth", "depth+rgb", "rgb")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentParams:
    """Options of :func:`segment`.

    Attributes:
        channels: what is segmented. ``depth+rgb`` takes sharp edges from the photograph where those
            of relative depth are blurred; ``rgb`` is there for the ablation.
        scale: of Felzenszwalb and Huttenlocher; larger gives larger segments.
        sigma: of the Gaussian that smooths first, pixels.
        min_size: smallest segment, pixels at ``side``.
        side: longest side in pixels at which is segmented; the time grows with the area.
        colour_weight: a step of colour (CIELAB, 0..1) beside one of relative depth (0..1).
    """

    channels: Channels = "depth"
    scale: float = 60.0
    sigma: float = 0.6
    min_size: int = 40
    side: int = 288
    colour_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.channels not in _CHANNELS:
            raise ValueError(f"channels '{self.channels}': choose one of {', '.join(_CHANNELS)}")


@dataclass(frozen=True)
class SamParams:
    """Options of :func:`segment_with_sam`; the thresholds are those of SAM's authors.

    Attributes:
        checkpoint: folder with ``config.json`` and ``model.safetensors`` of a SAM checkpoint.
        points_per_side: the image is asked about a grid of so many times so many points.
        points_at_once: points per pass through the mask decoder; more need more memory.
        quality: smallest overlap with the true mask that SAM predicts for a mask that is kept.
        stability: smallest overlap of a mask with itself under another threshold.
        duplicate: masks that overlap so much (intersection over union) are the same.
        min_size: smallest segment between the masks, pixels.
    """

    checkpoint: Path
    points_per_side: int = 16
    points_at_once: int = 64
    quality: float = 0.88
    stability: float = 0.95
    duplicate: float = 0.7
    min_size: int = 40


def segment(
    relative_depth: FloatMap, image: Image | None = None, params: SegmentParams | None = None
) -> LabelMap:
    """Graph segments (Felzenszwalb & Huttenlocher, IJCV 2004) of relative depth.

    Relative depth is brought to 0..1 and freed of its smooth ramp first. A ramp, such as that of a
    road, would be cut into strips although it is one surface.

    Args:
        relative_depth: float32 [H, W] relative inverse depth in any scale and offset.
        image: uint8 [H, W, 3] RGB, needed for channels with colour.
        params: options.

    Returns:
        int32 [H, W] labels 0..N-1.

    Raises:
        ValueError: no image for channels with colour, another size, or depth that is not finite.
    """
    params = params or SegmentParams()
    height, width = relative_depth.shape
    scale = min(1.0, params.side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    layers = []
    if params.channels != "rgb":
        layers.append(_without_ramp(_normalised(_resize(relative_depth, size)))[..., None])
    if params.channels != "depth":
        _require_image(image, relative_depth.shape, params.channels)
        colour = cv2.cvtColor(_resize(image, size), cv2.COLOR_RGB2LAB).astype(np.float32)
        weight = params.colour_weight if params.channels == "depth+rgb" else 1.0
        layers.append(weight * colour / 255.0)
    with warnings.catch_warnings():  # one and four channels are meant
        warnings.filterwarnings("ignore", "Got image with third dimension")
        labels = felzenszwalb(
            np.concatenate(layers, -1),
            scale=params.scale,
            sigma=params.sigma,
            min_size=params.min_size,
            channel_axis=-1,
        )
    full = cv2.resize(labels.astype(np.int32), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(full, np.int32)


def _normalised(depth: FloatMap) -> FloatMap:
    """Most of the range to 0..1; a few extreme pixels stay outside, but not far."""
    if not np.isfinite(depth).all():
        raise ValueError("relative depth holds values that are not finite")
    low, high = np.percentile(depth, (2, 98))
    if high <= low:  # flat, or flat but for a few pixels
        low, high = float(depth.min()), max(float(depth.max()), float(depth.min()) + 1e-6)
    return np.asarray(np.clip((depth - low) / (high - low), -0.5, 1.5), np.float32)


def _without_ramp(depth: FloatMap) -> FloatMap:
    """What is left of the best quadratic surface over the whole image.

    The inverse depth of a plane is linear in pixel coordinates; the squares take gentle bends.
    Iteratively re-weighted least squares: objects before the surface must not tilt it.
    """
    height, width = depth.shape
    v, u = np.mgrid[0:height, 0:width] / max(height, width) - 0.5
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], -1)
    some_terms = terms[::RAMP_STRIDE, ::RAMP_STRIDE].reshape(-1, 6)
    some = depth[::RAMP_STRIDE, ::RAMP_STRIDE].ravel().astype(np.float64)
    root = np.ones_like(some)  # of the weights
    for _ in range(RAMP_ITERATIONS):
        surface, *_ = np.linalg.lstsq(root[:, None] * some_terms, root * some, rcond=None)
        root = 1 / np.hypot(1, (some_terms @ surface - some) / RAMP_TOLERANCE)
    return np.asarray(depth - terms @ surface, np.float32)


def _require_image(image: Image | None, shape: tuple[int, ...], channels: str) -> None:
    if image is None:
        raise ValueError(f"segments of channels '{channels}' need the image")
    if image.shape != (*shape, 3):
        raise ValueError(f"image is {image.shape} but relative depth is {shape}")


def _resize(array: Any, size: tuple[int, int]) -> NDArray[Any]:
    return np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA))


def segment_with_sam(image: Image, checkpoint: Path | SamParams) -> LabelMap:
    """Segments from SAM's masks (Kirillov et al., ICCV 2023) for a grid of points.

    Args:
        image: uint8 [H, W, 3] RGB.
        checkpoint: folder of the weights, or all options. Weights are read from safetensors only:
            the other public form, a ``.pth`` file, is a pickle that runs code when loaded.

    Returns:
        int32 [H, W] labels 0..N-1; see :func:`labels_from_masks`.

    Raises:
        ImportError: the package ``transformers`` is missing.
        FileNotFoundError: the folder holds no checkpoint in that form.
    """
    params = checkpoint if isinstance(checkpoint, SamParams) else SamParams(checkpoint)
    return labels_from_masks(_sam_masks(image, params), image.shape[:2], params.min_size)


def labels_from_masks(
    masks: Sequence[Mask], shape: tuple[int, ...], min_size: int = 40
) -> LabelMap:
    """One label for every pixel from masks that overlap and leave gaps.

    Larger masks are laid down first, so that a smaller one stays whole on top. What no mask covers
    becomes segments of its own, one per connected part; small parts join their nearest segment.

    Args:
        masks: bool [H, W] each.
        shape: rows, columns.
        min_size: smallest connected part that becomes a segment, pixels.

    Returns:
        int32 [H, W] labels 0..N-1.
    """
    labels = np.zeros(shape, np.int32)
    for label, mask in enumerate(sorted(masks, key=np.count_nonzero, reverse=True), start=1):
        labels[mask] = label
    _, parts = cv2.connectedComponents((labels == 0).astype(np.uint8), connectivity=4)
    large = np.bincount(parts.ravel()) >= min_size
    large[0] = False  # covered by masks
    labels = np.where(large[parts], parts + len(masks), labels)
    if (labels == 0).any() and (labels > 0).any():
        nearest = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
        labels = labels[tuple(nearest)]
    _, consecutive = np.unique(labels, return_inverse=True)
    return consecutive.reshape(shape).astype(np.int32)


@lru_cache(maxsize=1)
def _load_sam(checkpoint: Path) -> Any:
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise ImportError(
            f"segments from SAM need the package transformers ({error}): pip install transformers"
        ) from error
    missing = [n for n in ("config.json", "model.safetensors") if not (checkpoint / n).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{checkpoint} holds no {' and no '.join(missing)}: give the folder of a SAM "
            "checkpoint for transformers, such as a download of facebook/sam-vit-base (.pth files "
            "are pickles and not loaded)"
        )
    model = transformers.SamModel.from_pretrained(
        checkpoint, local_files_only=True, use_safetensors=True
    )
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def _sam_masks(image: Image, params: SamParams) -> list[Mask]:
    """Masks that SAM is sure of, without duplicates, bool [H, W] each.

    The image's longest side fills SAM's square input, the rest is padded below and to the right.
    That and the way back are done here, because the processor of transformers needs torchvision.
    """
    model = _load_sam(params.checkpoint)
    side = int(model.config.vision_config.image_size)
    height, width = image.shape[:2]
    scale = side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    resized = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
    pixels = torch.from_numpy(resized).permute(2, 0, 1)[None].float() / 255.0
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (IMAGE_MEAN, IMAGE_STD))
    pixels = F.pad((pixels - mean) / std, (0, side - columns, 0, side - rows))
    embeddings = model.get_image_embeddings(pixels)

    steps = (np.arange(params.points_per_side) + 0.5) / params.points_per_side
    u, v = np.meshgrid(steps * columns, steps * rows)
    points = torch.from_numpy(np.stack([u.ravel(), v.ravel()], -1).astype(np.float32))
    found: list[tuple[float, torch.Tensor]] = []
    for start in range(0, len(points), params.points_at_once):
        some = points[start : start + params.points_at_once]
        output = model(image_embeddings=embeddings, input_points=some[None, :, None])
        logits, quality = output.pred_masks[0].flatten(0, 1), output.iou_scores[0].flatten()
        sure = (quality >= params.quality) & (_stability(logits) >= params.stability)
        found.extend(zip(quality[sure].tolist(), logits[sure], strict=True))
    found.sort(key=lambda mask: -mask[0])

    masks = []
    for logits in _without_duplicates([logits for _, logits in found], params.duplicate):
        square = F.interpolate(logits[None, None], (side, side), mode="bilinear")
        part = np.ascontiguousarray(square[0, 0, :rows, :columns].numpy())
        masks.append(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) > 0)
    return [mask for mask in masks if mask.any()]


def _stability(logits: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each mask [N, h, w] cut above and below its threshold."""
    inner, outer = (logits > 1).sum((1, 2)), (logits > -1).sum((1, 2))
    return inner / outer.clamp_min(1)


def _without_duplicates(logits: list[torch.Tensor], overlap: float) -> list[torch.Tensor]:
    """Keep the first of several masks that are almost the same."""
    kept: list[torch.Tensor] = []
    kept_masks: list[torch.Tensor] = []
    for candidate in logits:
        mask = candidate > 0
        if kept:
            others = torch.stack(kept_masks)
            both, either = (others & mask).sum((1, 2)), (others | mask).sum((1, 2))
            if (both / either.clamp_min(1)).max() >= overlap:
                continue
        kept.append(candidate)
        kept_masks.append(mask)
    return kept


class SegmentCache:
    """Segments of photographs, kept in a folder.

    An entry belongs to an image, the options and the relative depth that was segmented: when one
    of them changes, it is made again. A damaged entry is made again, too, with a line in the log.

    Args:
        folder: of the cache; made when needed.
        params: options of the segmentation; those of SAM choose SAM.
    """

    def __init__(self, folder: Path, params: SegmentParams | SamParams | None = None) -> None:
        self.folder = folder
        self.params = params or SegmentParams()
        described: dict[str, Any] = {"method": type(self.params).__name__, **asdict(self.params)}
        if isinstance(self.params, SamParams):
            weights = self.params.checkpoint / "model.safetensors"
            described["checkpoint"] = _file_hash(weights) if weights.is_file() else None
        text = json.dumps(described, sort_keys=True)
        self._params_hash = hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]

    def labels(self, key: str, relative_depth: FloatMap, image: Image | None = None) -> LabelMap:
        """Segments of one photograph, from the cache where they are there.

        Args:
            key: name of the photograph, unique in the cache; ``/`` makes sub-folders.
            relative_depth: float32 [H, W], see :func:`segment`; SAM looks at its size only.
            image: uint8 [H, W, 3] RGB, where the options ask for it.

        Returns:
            int32 [H, W] labels 0..N-1.

        Raises:
            ValueError: as :func:`segment`, or the key leads out of the folder.
        """
        path = self.path(key, relative_depth, image)
        cached = _read_labels(path, relative_depth.shape)
        if cached is None:
            cached = self._compute(relative_depth, image)
            _write_labels(path, cached)
        return cached

    def path(self, key: str, relative_depth: FloatMap, image: Image | None = None) -> Path:
        """File of an entry: the options make its folder, the content its name."""
        parts = PurePosixPath(key)
        if not parts.name or parts.is_absolute() or ".." in parts.parts:
            raise ValueError(f"'{key}' is no name inside the cache")
        content = hashlib.sha256(repr(relative_depth.shape).encode("ascii"))
        if not isinstance(self.params, SamParams) and self.params.channels != "rgb":
            content.update(np.ascontiguousarray(relative_depth, np.float32).tobytes())
        if image is not None and self._sees_colour():
            content.update(np.ascontiguousarray(image).tobytes())
        name = f"{parts.name}.{content.hexdigest()[:16]}.npz"
        return self.folder / self._params_hash / parts.parent / name

    def _sees_colour(self) -> bool:
        return isinstance(self.params, SamParams) or self.params.channels != "depth"

    def _compute(self, relative_depth: FloatMap, image: Image | None) -> LabelMap:
        if isinstance(self.params, SegmentParams):
            return segment(relative_depth, image, self.params)
        _require_image(image, relative_depth.shape, "SAM")
        assert image is not None
        return segment_with_sam(image, self.params)


def _read_labels(path: Path, shape: tuple[int, ...]) -> LabelMap | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            labels = arrays["labels"]
        if labels.shape != shape or not np.issubdtype(labels.dtype, np.unsignedinteger):
            raise ValueError(f"{labels.dtype} {labels.shape} instead of labels {shape}")
        return np.asarray(labels, np.int32)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        _LOG.warning("%s is damaged (%s): segmented again", path, error)
        return None


def _write_labels(path: Path, labels: LabelMap) -> None:
    """Whole or not at all, also when several processes make the same entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, labels=labels.astype(np.min_scalar_type(labels.max())))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _file_hash(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    return content.hexdigest()
