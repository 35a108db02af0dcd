"""Materials of a scene: textures that are photographs or drawn, and skies."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_training.scenes.texturing import TEXTURE_SIDE, Image

Rng = np.random.Generator


class Materials:
    """Textures of one scene, made when an object asks for one.

    Every builder of the scene draws from ``rng``, so the order of calls is part of the scene.

    Args:
        rng: the same state gives the same scene.
        photographs: uint8 [h, w, 3] RGB, at least one.
    """

    def __init__(self, rng: Rng, photographs: Sequence[Image]) -> None:
        if not photographs:
            raise ValueError("textures need at least one photograph")
        self.rng = rng
        self._photographs = photographs
        self._textures: list[Image] = []

    def texture(self, picture: float = 0.25) -> int:
        """Index of a new texture: a photograph with probability ``picture``, else a material."""
        if self.rng.random() < picture:
            texture = square_part(self.photograph(), self.rng)
        else:
            texture = plain_material(self.rng)
        self._textures.append(texture)
        return len(self._textures) - 1

    def photograph(self) -> Image:
        """One of the photographs, uint8 [h, w, 3] RGB."""
        return self._photographs[int(self.rng.integers(len(self._photographs)))]

    def textures(self) -> Image:
        """All of them, uint8 [T, 256, 256, 3] RGB."""
        return np.stack(self._textures)


def square_part(photograph: Image, rng: Rng) -> Image:
    """A random square of a photograph as texture."""
    side = int(min(photograph.shape[:2]) * rng.uniform(0.4, 1.0))
    top, left = (int(rng.integers(n - side + 1)) for n in photograph.shape[:2])
    part = photograph[top : top + side, left : left + side]
    return _image(cv2.resize(part, (TEXTURE_SIDE,) * 2, interpolation=cv2.INTER_AREA))


def plain_material(rng: Rng) -> Image:
    """One colour with grain, stains, stripes or tiles."""
    saturation = rng.uniform(0, 0.5) if rng.random() < 0.7 else rng.uniform(0.3, 1)
    base = rng.uniform(0.08, 0.95) * (1 + saturation * rng.uniform(-0.6, 0.6, 3))
    picture = np.multiply.outer(base, _grain(rng))  # channel by channel: a third of the time
    _draw_pattern(picture, rng)
    np.clip(picture, 0.02, 0.98, out=picture)
    picture *= 255
    return _image(cv2.merge(list(picture.astype(np.uint8))))


def _grain(rng: Rng) -> NDArray[np.float32]:
    """Brightness with stains of several sizes and noise, float32 [256, 256] around 1."""
    shape = (TEXTURE_SIDE, TEXTURE_SIDE)
    value = np.ones(shape, np.float32)
    contrast = rng.uniform(0, 0.25) * rng.random()
    for cells in (4, 16, 64):
        columns = max(2, cells // int(rng.choice([1, 1, 8])))  # at times streaks, like wood
        noise = rng.normal(size=(cells, columns)).astype(np.float32)
        value += contrast / 2 * cv2.resize(noise, shape, interpolation=cv2.INTER_CUBIC)
    value += rng.normal(0, 0.02 * rng.random(), shape).astype(np.float32)
    return value


def _draw_pattern(picture: NDArray[np.float64], rng: Rng) -> None:
    """Draw stripes, tiles or squares over a third of the materials [3, 256, 256], in place."""
    position = np.arange(TEXTURE_SIDE)
    pattern = rng.random()
    if pattern < 0.12:  # stripes
        stripe = (position // int(rng.integers(4, 48))) % 2 == 0
        picture[:, :, stripe] *= rng.uniform(0.4, 1.5, 3)[:, None, None]
    elif pattern < 0.3:  # tiles or bricks with joints
        step, joint = int(rng.integers(16, 128)), int(rng.integers(1, 5))
        grid = position % step < joint
        picture[:, grid] *= rng.uniform(0.4, 1.2)
        picture[:, :, grid] *= rng.uniform(0.4, 1.2)
    elif pattern < 0.36:  # chequered
        cell = position // int(rng.integers(8, 64))
        picture[:, (cell[:, None] + cell) % 2 == 0] *= rng.uniform(0.3, 1.5)


def open_sky(materials: Materials) -> Image:
    """Gradient with clouds, or the upper part of a photograph, uint8 [h, w, 3] RGB."""
    rng = materials.rng
    if rng.random() < 0.3:
        photograph = materials.photograph()
        return np.ascontiguousarray(photograph[: photograph.shape[0] // 3])
    low, high = rng.uniform(140, 255, 3), rng.uniform(90, 255) * np.array([0.75, 0.9, 1.0])
    t = np.linspace(0, 1, 96)[:, None, None]
    noise = rng.normal(size=(6, 8)).astype(np.float32)
    clouds = cv2.resize(noise, (128, 96), interpolation=cv2.INTER_CUBIC)[..., None]
    return _image(np.clip(high * (1 - t) + low * t + 25 * clouds * rng.random(), 0, 255))


def drawn_photograph(rng: Rng) -> Image:
    """Something in place of a photograph, uint8 [240, 320, 3] RGB: coloured discs on a gradient."""
    low, high = rng.uniform(0, 255, (2, 3))
    t = np.linspace(0, 1, 240)[:, None, None]
    picture = np.tile(_image(low * t + high * (1 - t)), (1, 320, 1))
    for _ in range(int(rng.integers(10, 60))):
        centre = int(rng.integers(320)), int(rng.integers(240))
        colour = [int(c) for c in rng.integers(0, 256, 3)]
        cv2.circle(picture, centre, int(rng.integers(2, 50)), colour, cv2.FILLED, cv2.LINE_AA)
    return picture


def _image(values: NDArray[np.generic]) -> Image:
    return values.astype(np.uint8, copy=False)
