"""Segments by the Segment Anything Model (SAM), for a user who has its weights."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from scipy.ndimage import distance_transform_edt
from torch.nn import functional as F

from starrygazer_training.config import ConfigError
from starrygazer_training.dinov2 import IMAGE_MEAN, IMAGE_STD
from starrygazer_training.run_state import read_json
from starrygazer_training.segmentation import Image, LabelMap

Mask = NDArray[np.bool_]


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


def segment_with_sam(image: Image, checkpoint: Path | SamParams) -> LabelMap:
    """Segments from SAM's masks (Kirillov et al., ICCV 2023) for a grid of points.

    Args:
        image: uint8 [H, W, 3] RGB.
        checkpoint: folder of the weights, or all options. Weights are read from safetensors only:
            the other public form, a ``.pth`` file, is a pickle that runs code when loaded.

    Returns:
        int32 [H, W] labels 0..N-1; see :func:`labels_from_masks`.

    Raises:
        ConfigError: see :func:`require_sam`.
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


def require_sam(checkpoint: Path) -> None:
    """Load SAM once, so that what is missing shows before anything is segmented.

    Raises:
        ConfigError: the package ``transformers`` is missing, or the folder holds no checkpoint of
            SAM that it can load.
    """
    _load_sam(checkpoint)


@lru_cache(maxsize=1)
def _load_sam(checkpoint: Path) -> Any:
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise ConfigError(
            f"segments from SAM need the package transformers ({error}): pip install transformers"
        ) from error
    missing = [n for n in ("config.json", "model.safetensors") if not (checkpoint / n).is_file()]
    if missing:
        raise ConfigError(
            f"{checkpoint} holds no {' and no '.join(missing)}: give the folder of a SAM "
            "checkpoint for transformers, such as a download of facebook/sam-vit-base (.pth files "
            "are pickles and not loaded)"
        )
    # Of another type transformers would make first weights, with no more than a warning.
    kind = read_json(checkpoint / "config.json", "download the checkpoint again").get("model_type")
    if kind != "sam":
        raise ConfigError(f"{checkpoint} holds a model of type {kind}, not sam")
    try:
        model = transformers.SamModel.from_pretrained(
            checkpoint, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"{checkpoint} cannot be loaded as SAM ({reason}): download the checkpoint again"
        ) from error
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
