"""Pictures of many scenes at once, to look at them with one's own eyes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from starrygazer_training.scenes.soup import Array
from starrygazer_training.scenes.texturing import Image

RANGE = (0.02, 0.98)  # quantiles of inverse depth that get the ends of the colour map
GAP = 4  # pixels


def contact_sheet(
    renders: Sequence[tuple[Image, Array]], labels: Sequence[str], columns: int = 6
) -> Image:
    """Images above their inverse depth, row by row.

    Args:
        renders: uint8 [H, W, 3] RGB and float32 [H, W] metres, 0 = sky, all of one size.
        labels: written into the images.
        columns: scenes in a row.

    Returns:
        uint8 [h, w, 3] RGB.
    """
    height, width = renders[0][1].shape
    rows = -(-len(renders) // columns)
    tile_height, tile_width = 2 * height + GAP, width + GAP
    sheet = np.full((rows * tile_height, columns * tile_width, 3), 255, np.uint8)
    for number, ((image, depth), label) in enumerate(zip(renders, labels, strict=True)):
        top, left = number // columns * tile_height, number % columns * tile_width
        sheet[top : top + height, left : left + width] = _labelled(image, label)
        sheet[top + height : top + 2 * height, left : left + width] = inverse_depth_colours(depth)
    return sheet


def inverse_depth_colours(depth: Array) -> Image:
    """Depth [H, W] in metres as uint8 [H, W, 3] RGB: near yellow, far blue, sky (0) black."""
    known = depth > 0
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    inverse = np.where(known, 1 / np.maximum(depth, 1e-6), 0)
    low, high = np.quantile(inverse[known], RANGE)
    share = np.clip((inverse - low) / max(high - low, 1e-9), 0, 1)
    colours = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_CIVIDIS)
    return np.asarray(np.where(known[..., None], colours[..., ::-1], 0), np.uint8)


def _labelled(image: Image, label: str) -> Image:
    picture: Image = image.copy()
    for colour, thickness in ((0, 3), (255, 1)):
        place, font = (4, 16), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, label, place, font, 0.5, (colour,) * 3, thickness, cv2.LINE_AA)
    return picture
