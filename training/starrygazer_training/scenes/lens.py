"""What lens, sensor and compression do to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from starrygazer_training.scenes.texturing import Image


def through_a_lens(image: Image, rng: np.random.Generator) -> Image:
    """Blur, colour cast, noise and JPEG, each at random, on uint8 [H, W, 3] RGB."""
    picture = image.astype(np.float32)
    if rng.random() < 0.6:
        cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9), dst=picture)
    picture *= rng.uniform(0.85, 1.15, 3).astype(np.float32)
    picture += rng.normal(0, rng.uniform(0, 6), picture.shape).astype(np.float32)
    clean = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(60, 96))
        _, code = cv2.imencode(".jpg", clean, (cv2.IMWRITE_JPEG_QUALITY, quality))
        clean = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return clean
