"""Pictures of relative depth for TensorBoard."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def relative_depth_strip(image: Tensor, *maps: Tensor) -> NDArray[np.uint8]:
    """An image with maps of relative inverse depth beside it, each stretched to its own range.

    Args:
        image: [3, H, W] RGB in 0..1.
        maps: [1, h, w] each, larger = nearer.

    Returns:
        RGB uint8 [H, (1 + maps) W, 3], near in yellow, far in blue.
    """
    rgb = (image.clamp(0, 1).permute(1, 2, 0).float().numpy() * 255).astype(np.uint8)
    parts = [rgb]
    for tensor in maps:
        values = cv2.resize(tensor[0].float().numpy(), rgb.shape[1::-1])
        low, high = np.percentile(values, (2, 98))
        grey = np.clip((values - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
        parts.append(cv2.applyColorMap(grey, cv2.COLORMAP_CIVIDIS)[..., ::-1])
    return np.concatenate(parts, axis=1)
