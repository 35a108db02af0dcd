"""Backbone features of many images, cached on disk so that an interrupted run continues."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from starrygazer_training.atomic_files import open_replacement
from starrygazer_training.autocast import bf16_where_computed
from starrygazer_training.datasets import Frame
from starrygazer_training.dinov2 import PATCH, DinoV2


def patch_grid(height: int, width: int, tokens: int) -> tuple[int, int]:
    """Rows and columns of about ``tokens`` patches in the image's aspect ratio."""
    rows = max(1, round((tokens * height / width) ** 0.5))
    return rows, max(1, round(tokens / rows))


def image_tensor(image: NDArray[np.uint8], height: int, width: int) -> torch.Tensor:
    """Resize RGB uint8 [H, W, 3] to a float [1, 3, height, width] tensor in 0..1."""
    shrinks = height < image.shape[0]
    resized = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return torch.from_numpy(resized).permute(2, 0, 1)[None].float() / 255.0


def feature_path(cache: Path, frame: Frame, tokens: int, flip: bool) -> Path:
    """Cache file of one frame: float16 [4, 384, rows, columns]."""
    return cache / f"features_{tokens}" / f"{frame.key}{'.flip' if flip else ''}.npy"


@torch.inference_mode()
def extract(
    frames: Iterable[Frame], cache: Path, tokens: int, flips: tuple[bool, ...], what: str
) -> None:
    """Fill the cache with the backbone features of every frame, skipping what is there.

    Args:
        frames: of which features are needed.
        cache: see :func:`feature_path`.
        tokens: about so many patches.
        flips: as they are (False), mirrored (True), or both.
        what: the frames are, for the progress bar.
    """
    wanted = [
        (frame, flip)
        for frame in frames
        for flip in flips
        if not feature_path(cache, frame, tokens, flip).exists()
    ]
    if not wanted:
        return
    backbone = DinoV2.from_wheel()
    for frame, flip in tqdm(wanted, desc=f"features of {what}", mininterval=5):
        image = frame.image()
        rows, columns = patch_grid(*image.shape[:2], tokens)
        tensor = image_tensor(image, rows * PATCH, columns * PATCH)
        if flip:
            tensor = tensor.flip(-1)
        with bf16_where_computed():
            features = torch.cat(backbone(tensor))
        path = feature_path(cache, frame, tokens, flip)
        with open_replacement(path) as file:
            np.save(file, features.to(torch.float16).numpy())
