"""Random rooms, streets and heaps: the geometry behind the rendered training pairs.

Layouts are plain on purpose. What matters is the statistics that depth completion meets: large
slanted planes, thin rods, gaps, clutter on tables, silhouettes over textured and untextured
backgrounds, and pictures on flat walls that must not become relief.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_training import shapes
from starrygazer_training.rendering import (
    TEXTURE_SIDE,
    Array,
    Camera,
    Light,
    Soup,
    join,
    render,
)
from starrygazer_training.shapes import turn

Rng = np.random.Generator
Image = NDArray[np.uint8]

WIDTH, HEIGHT = 384, 288
KINDS = {"room": 0.5, "street": 0.25, "heap": 0.25}


@dataclass
class _Scene:
    """A scene while it is being built."""

    rng: Rng
    photographs: Sequence[Image]
    textures: list[Image] = field(default_factory=list)
    soups: list[Soup] = field(default_factory=list)

    def add(self, soup: Soup, at: Sequence[float] = (0, 0, 0), yaw: float = 0.0) -> None:
        self.soups.append(soup.moved(turn(yaw), at))

    def texture(self, picture: float = 0.25) -> int:
        """A new texture: a photograph with probability ``picture``, else a plain material."""
        rng = self.rng
        make = self._photograph if rng.random() < picture else self._material
        self.textures.append(make())
        return len(self.textures) - 1

    def _photograph(self) -> Image:
        rng = self.rng
        photo = self.photographs[rng.integers(len(self.photographs))]
        side = int(min(photo.shape[:2]) * rng.uniform(0.4, 1.0))
        top, left = (int(rng.integers(n - side + 1)) for n in photo.shape[:2])
        return cv2.resize(
            photo[top : top + side, left : left + side], (TEXTURE_SIDE,) * 2, interpolation=3
        )

    def _material(self) -> Image:
        """One colour with grain, stains, stripes or tiles."""
        rng, side = self.rng, TEXTURE_SIDE
        saturation = rng.uniform(0, 0.5) if rng.random() < 0.7 else rng.uniform(0.3, 1)
        base = rng.uniform(0.08, 0.95) * (1 + saturation * rng.uniform(-0.6, 0.6, 3))
        value = np.ones((side, side), np.float32)
        contrast = rng.uniform(0, 0.25) * rng.random()
        for cells in (4, 16, 64):
            shape = (cells, max(2, cells // int(rng.choice([1, 1, 8])))), (side, side)
            noise = rng.normal(size=shape[0]).astype(np.float32)
            value += contrast / 2 * cv2.resize(noise, shape[1], interpolation=cv2.INTER_CUBIC)
        value += rng.normal(0, 0.02 * rng.random(), value.shape).astype(np.float32)
        picture = base * value[..., None]
        pattern = rng.random()
        if pattern < 0.12:  # stripes
            stripe = (np.arange(side) // int(rng.integers(4, 48))) % 2 == 0
            picture[:, stripe] *= rng.uniform(0.4, 1.5, 3)
        elif pattern < 0.3:  # tiles or bricks with joints
            step, joint = int(rng.integers(16, 128)), int(rng.integers(1, 5))
            grid = np.arange(side) % step < joint
            picture[grid] *= rng.uniform(0.4, 1.2)
            picture[:, grid] *= rng.uniform(0.4, 1.2)
        elif pattern < 0.36:  # chequered
            cell = np.arange(side) // int(rng.integers(8, 64))
            picture[(cell[:, None] + cell) % 2 == 0] *= rng.uniform(0.3, 1.5)
        return (np.clip(picture, 0.02, 0.98) * 255).astype(np.uint8)


def random_scene(rng: Rng, photographs: Sequence[Image]) -> tuple[Image, Array]:
    """Render one random scene.

    Args:
        rng: the same state gives the same scene.
        photographs: uint8 [h, w, 3] RGB, used as textures and skies.

    Returns:
        image uint8 [288, 384, 3] RGB, depth float32 [288, 384] metres, 0 = sky. A view that shows
        next to nothing is drawn again.
    """
    while True:
        kind = rng.choice(list(KINDS), p=list(KINDS.values()))
        build: Callable[[_Scene], _View] = {"room": _room, "street": _street, "heap": _heap}[kind]
        scene = _Scene(rng, photographs)
        view = build(scene)
        image, depth = render(
            join(scene.soups),
            np.stack(scene.textures),
            view.camera,
            view.lights,
            view.ambient,
            view.sky,
        )
        known = depth > 0
        if known.mean() < 0.3:
            continue
        near, far = np.quantile(depth[known], (0.02, 0.98))
        if near > 0.15 and far / near > 1.15:
            return _through_a_lens(image, rng), depth


@dataclass(frozen=True)
class _View:
    camera: Camera
    lights: list[Light]
    ambient: NDArray[np.float64]
    sky: Image


def _camera(
    rng: Rng,
    position: Sequence[float],
    yaw: float,
    pitch: float,
    field_of_view: tuple[float, float],
) -> Camera:
    """Camera that looks along +x, turned by yaw and by pitch (positive = down), with some roll."""
    focal = WIDTH / 2 / np.tan(np.deg2rad(rng.uniform(*field_of_view)) / 2)
    # Optical axes in world coordinates when looking along +x: right is -y, down is -z.
    level = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    rotation = turn(yaw) @ turn(pitch, 1) @ turn(rng.normal(0, 0.04), 0) @ level
    return Camera(WIDTH, HEIGHT, float(focal), rotation, np.asarray(position, float))


def _through_a_lens(image: Image, rng: Rng) -> Image:
    """Blur, vignetting, colour cast, noise and JPEG, each at random."""
    picture = image.astype(np.float32)
    if rng.random() < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    picture *= rng.uniform(0.85, 1.15, 3).astype(np.float32)
    picture += rng.normal(0, rng.uniform(0, 6), picture.shape).astype(np.float32)
    clean = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(60, 96))
        _, code = cv2.imencode(".jpg", clean, (cv2.IMWRITE_JPEG_QUALITY, quality))
        clean = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return clean


def _colour(rng: Rng, level: tuple[float, float]) -> NDArray[np.float64]:
    return rng.uniform(*level) * rng.uniform(0.8, 1.2, 3)


# --- objects; each stands on the ground around the origin ---


def _table(s: _Scene, size: Sequence[float]) -> None:
    rng = s.rng
    top, leg = s.texture(0.1), s.texture(0.05)
    x, y, z = size
    slab = rng.uniform(0.02, 0.06)
    s.add(shapes.box((x, y, slab), top), (0, 0, z - slab))
    thick, inset = rng.uniform(0.02, 0.08), rng.uniform(0.03, 0.1)
    for i in (-1, 1):
        for j in (-1, 1):
            at = (i * (x / 2 - inset), j * (y / 2 - inset), 0)
            s.add(shapes.box((thick, thick, z - slab), leg), at)


def _chair(s: _Scene) -> None:
    rng = s.rng
    seat, wide, high = rng.uniform(0.4, 0.5), rng.uniform(0.38, 0.55), rng.uniform(0.8, 1.1)
    _table(s, (wide, wide, seat))
    texture = s.texture(0.1)
    if rng.random() < 0.5:
        s.add(shapes.box((0.04, wide, high - seat), texture), (-wide / 2, 0, seat))
        return
    for y in np.linspace(-wide / 2, wide / 2, int(rng.integers(3, 8))):
        s.add(
            shapes.rod(
                (-wide / 2, y, seat), (-wide / 2, y, high), rng.uniform(0.008, 0.02), texture
            )
        )
    s.add(shapes.box((0.03, wide, 0.08), texture), (-wide / 2, 0, high - 0.08))


def _shelf(s: _Scene) -> None:
    rng = s.rng
    wide, deep, high = rng.uniform(0.5, 1.8), rng.uniform(0.25, 0.45), rng.uniform(0.8, 2.3)
    wood = s.texture(0.1)
    boards = int(rng.integers(3, 7))
    for y in (-wide / 2, wide / 2):
        s.add(shapes.box((deep, 0.025, high), wood), (0, y, 0))
    if rng.random() < 0.7:
        s.add(shapes.box((0.015, wide, high), s.texture(0.1)), (-deep / 2, 0, 0))
    for z in np.linspace(0.05, high - 0.03, boards):
        s.add(shapes.box((deep, wide, 0.025), wood), (0, 0, z))
        y = -wide / 2 + 0.04
        while y < wide / 2 - 0.1 and z < high - 0.2 and rng.random() < 0.95:
            book = rng.uniform(0.02, 0.08), rng.uniform(0.5, 0.85) * (high / boards)
            if rng.random() < 0.75:
                size = (deep * rng.uniform(0.5, 0.9), book[0], book[1])
                s.add(shapes.box(size, s.texture(0.3)), (0, y + book[0] / 2, z + 0.025))
            y += book[0] + (rng.uniform(0, 0.15) if rng.random() < 0.2 else 0.004)


def _cabinet(s: _Scene) -> None:
    rng = s.rng
    size = rng.uniform(0.3, 0.7), rng.uniform(0.4, 1.8), rng.uniform(0.5, 2.2)
    s.add(shapes.box(size, s.texture(0.15), rng.uniform(0.5, 2)))
    doors, front = int(rng.integers(1, 5)), size[0] / 2
    panel, metal = s.texture(0.15), s.texture(0.0)
    width = size[1] / doors
    for index in range(doors):
        y = -size[1] / 2 + (index + 0.5) * width
        s.add(shapes.box((0.02, width - 0.03, size[2] * 0.92), panel), (front, y, size[2] * 0.04))
        handle = y + width * 0.35
        s.add(
            shapes.rod(
                (front + 0.04, handle, size[2] * 0.4),
                (front + 0.04, handle, size[2] * 0.6),
                0.008,
                metal,
            )
        )


def _sofa(s: _Scene) -> None:
    rng = s.rng
    wide, deep, texture = rng.uniform(0.8, 2.4), rng.uniform(0.75, 1.0), s.texture(0.2)
    soft = (rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.4))
    s.add(shapes.superquadric((deep, wide, 0.45), soft, texture))
    s.add(shapes.superquadric((0.3, wide, rng.uniform(0.7, 1.0)), soft, texture), (-deep / 2, 0, 0))
    for y in (-wide / 2, wide / 2):
        s.add(shapes.superquadric((deep, 0.22, rng.uniform(0.55, 0.7)), soft, texture), (0, y, 0))
    for _ in range(int(rng.integers(0, 4))):
        cushion = shapes.superquadric((0.14, 0.4, 0.4), (0.6, 0.4), s.texture(0.4))
        s.add(
            cushion.moved(turn(rng.normal(0, 0.3), 1), (0, 0, 0)),
            (-0.15, rng.uniform(-0.4, 0.4) * wide, 0.4),
        )


def _bed(s: _Scene) -> None:
    rng = s.rng
    size = rng.uniform(1.9, 2.2), rng.uniform(0.9, 1.9)
    s.add(shapes.box((size[0], size[1], 0.3), s.texture(0.1)))
    s.add(shapes.superquadric((size[0], size[1], 0.35), (0.2, 0.15), s.texture(0.4)), (0, 0, 0.2))
    s.add(shapes.lump((1.2, size[1] * 0.9, 0.3), 0.12, s.texture(0.4), rng), (0.2, 0, 0.42))
    for y in np.linspace(-0.25, 0.25, 2) * size[1]:
        s.add(
            shapes.superquadric((0.4, 0.6, 0.18), (0.6, 0.4), s.texture(0.2)),
            (-size[0] * 0.38, y, 0.5),
        )
    s.add(shapes.box((0.06, size[1], rng.uniform(0.7, 1.2)), s.texture(0.2)), (-size[0] / 2, 0, 0))


def _lamp(s: _Scene) -> None:
    rng = s.rng
    high, wide = rng.uniform(0.3, 1.8), rng.uniform(0.12, 0.3)
    s.add(shapes.cylinder(wide * 0.6, 0.03, s.texture(0.0)))
    s.add(shapes.rod((0, 0, 0), (0, 0, high), rng.uniform(0.006, 0.02), s.texture(0.0)))
    shade = [(wide, high - 0.1), (wide * rng.uniform(0.3, 0.9), high + wide)]
    s.add(shapes.lathe(shade, s.texture(0.2), 0.5))


def _plant(s: _Scene) -> None:
    rng = s.rng
    pot = rng.uniform(0.1, 0.3)
    s.add(
        shapes.lathe(
            [(1e-3, 0), (pot * 0.7, 0), (pot, pot * 1.6), (1e-3, pot * 1.5)], s.texture(0.2), 0.5
        )
    )
    crown = np.array([1, 1, rng.uniform(0.8, 2)]) * rng.uniform(0.3, 0.9)
    leaves = shapes.foliage(
        crown, rng.uniform(0.04, 0.15), int(rng.integers(100, 600)), s.texture(0.5), rng
    )
    s.add(leaves, (0, 0, pot * 1.4))


def _vessel(s: _Scene, size: float = 0.0) -> None:
    """Bottle, vase, cup or bowl."""
    rng = s.rng
    high = size or rng.uniform(0.1, 0.5)
    wide = high * rng.uniform(0.12, 0.5)
    knots = wide * rng.uniform(0.3, 1.0, 6)
    heights = np.linspace(0, high, 6)
    s.add(shapes.lathe([(1e-3, 0), *zip(knots, heights, strict=True)], s.texture(0.3), 0.3))


def _block(s: _Scene, size: float = 0.0) -> None:
    """Box or superquadric in any proportion."""
    rng = s.rng
    extent = (size or rng.uniform(0.1, 0.9)) * rng.uniform(0.25, 1.0, 3)
    if rng.random() < 0.5:
        s.add(shapes.box(extent, s.texture(0.5), float(extent.max())))
    else:
        roundness = rng.uniform(0.1, 1.6), rng.uniform(0.1, 1.6)
        s.add(shapes.superquadric(extent, roundness, s.texture(0.5), float(extent.max())))


def _heap_of_cloth(s: _Scene, size: float = 0.0) -> None:
    rng = s.rng
    extent = (size or rng.uniform(0.2, 0.8)) * rng.uniform(0.4, 1.0, 3)
    s.add(shapes.lump(extent, rng.uniform(0.05, 0.3), s.texture(0.5), rng, 0.6))


def _screen(s: _Scene, size: float = 0.0) -> None:
    rng = s.rng
    wide = size or rng.uniform(0.35, 1.4)
    high, foot = wide * rng.uniform(0.55, 0.75), wide * 0.15
    dark = s.texture(0.0)
    s.add(shapes.box((0.03, wide, high), dark), (0, 0, foot))
    x, y, z = 0.017, wide / 2 * 0.94, (foot + high * 0.05, foot + high * 0.95)
    s.add(
        shapes.quad(
            [(x, -y, z[1]), (x, y, z[1]), (x, y, z[0]), (x, -y, z[0])], s.texture(0.7), 2 * wide
        )
    )
    s.add(shapes.box((0.05, 0.05, foot), dark))
    s.add(shapes.box((wide * 0.3, wide * 0.4, 0.015), dark))


def _frame(s: _Scene) -> None:
    """Ladder, rack, bicycle, railing: thin rods with gaps."""
    rng, texture = s.rng, s.texture(0.05)
    wide, high, radius = rng.uniform(0.3, 1.2), rng.uniform(0.6, 2.0), rng.uniform(0.006, 0.025)
    lean = rng.normal(0, 0.15)
    for y in (-wide / 2, wide / 2):
        s.add(shapes.rod((0, y, 0), (lean, y, high), radius, texture))
    for t in np.linspace(0.05, 1, int(rng.integers(2, 12))):
        s.add(
            shapes.rod(
                (lean * t, -wide / 2, high * t), (lean * t, wide / 2, high * t), radius, texture
            )
        )
    if rng.random() < 0.4:
        angle = np.linspace(0, 2 * np.pi, 17)
        for y in (-wide / 2, wide / 2):
            ring = np.stack([0 * angle, y + 0.3 * np.cos(angle), 0.3 + 0.3 * np.sin(angle)], 1)
            for a, b in pairwise(ring):
                s.add(shapes.rod(a, b, radius, texture))


def _person(s: _Scene) -> None:
    rng = s.rng
    high = rng.uniform(1.1, 1.9)
    coat, skin, legs = s.texture(0.4), s.texture(0.0), s.texture(0.2)
    step = rng.uniform(0, 0.3)
    for y, x in ((-0.1, step), (0.1, -step)):
        s.add(shapes.rod((x, y, 0), (0, y, 0.5 * high), 0.08, legs))
        s.add(shapes.rod((-x, 2.4 * y, 0.45 * high), (0, 2 * y, 0.8 * high), 0.05, coat))
    s.add(shapes.superquadric((0.28, 0.46, 0.4 * high), (0.6, 0.7), coat), (0, 0, 0.45 * high))
    s.add(shapes.superquadric((0.2, 0.18, 0.25), (0.9, 0.9), skin), (0, 0, 0.85 * high))


def _thing(s: _Scene, size: float) -> None:
    """Something that stands on a table."""
    kinds = (_vessel, _block, _heap_of_cloth, _screen)
    kinds[int(s.rng.choice(4, p=[0.35, 0.4, 0.1, 0.15]))](s, size)


def _with_things(s: _Scene, furniture: Callable[[_Scene], None], top: Sequence[float]) -> None:
    furniture(s)
    for _ in range(int(s.rng.integers(0, 8))):
        at = (s.rng.uniform(-0.42, 0.42) * top[0], s.rng.uniform(-0.42, 0.42) * top[1], top[2])
        _placed(s, lambda: _thing(s, s.rng.uniform(0.06, 0.4)), at, s.rng.uniform(0, 6.3))


def _placed(s: _Scene, make: Callable[[], None], at: Sequence[float], yaw: float) -> None:
    """Move everything that ``make`` adds."""
    first = len(s.soups)
    make()
    added = join(s.soups[first:])
    del s.soups[first:]
    s.add(added, at, yaw)


# --- scenes ---


def _room(s: _Scene) -> _View:
    rng = s.rng
    size = np.array([rng.uniform(2.5, 9), rng.uniform(2.5, 9), rng.uniform(2.3, 3.6)])
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    floor, ceiling = s.texture(0.2), s.texture(0.05)
    s.add(
        shapes.quad([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], floor, rng.uniform(0.6, 2.5))
    )
    s.add(shapes.quad([(-x, -y, z), (x, -y, z), (x, y, z), (-x, y, z)], ceiling, 2))
    shared = s.texture(0.1)
    for angle, length, depth in ((0, y, x), (np.pi / 2, x, y), (np.pi, y, x), (-np.pi / 2, x, y)):
        _placed(s, lambda n=length, t=shared: _wall(s, n, z, t), (0, 0, 0), 0.0)
        wall = s.soups.pop().moved(np.eye(3), (depth, 0, 0))
        s.add(wall, yaw=angle)

    eye = np.array([rng.uniform(-0.9, 0.9) * x, rng.uniform(-0.9, 0.9) * y, rng.uniform(0.5, 1.8)])
    # Look across the room rather than into the next wall.
    aim = np.array([-np.sign(eye[0]), -np.sign(eye[1])]) * rng.uniform(0, 0.8, 2) * size[:2] / 2
    yaw = float(np.arctan2(*(aim - eye[:2])[::-1])) + rng.normal(0, 0.3)
    _furnish(s, size, eye, yaw)
    camera = _camera(rng, eye, yaw, rng.normal(0.12, 0.18), (48, 85))
    lights = [
        Light(
            np.array(
                [rng.uniform(-0.9, 0.9) * x, rng.uniform(-0.9, 0.9) * y, z * rng.uniform(0.6, 0.97)]
            ),
            _colour(rng, (0.4, 1.6)),
            rng.uniform(1.5, 6),
        )
        for _ in range(int(rng.integers(1, 3)))
    ]
    return _View(
        camera, lights, _colour(rng, (0.15, 0.6)), s.photographs[rng.integers(len(s.photographs))]
    )


def _wall(s: _Scene, half: float, high: float, shared: int) -> None:
    """Wall in the y-z plane that looks towards -x, with pictures, doors, windows, curtains."""
    rng = s.rng
    paint = shared if rng.random() < 0.7 else s.texture(0.25)
    s.add(
        shapes.quad(
            [(0, -half, high), (0, half, high), (0, half, 0), (0, -half, 0)],
            paint,
            rng.uniform(0.8, 3),
        )
    )
    if rng.random() < 0.6:
        s.add(shapes.box((0.03, 2 * half, 0.1), s.texture(0.0)), (-0.015, 0, 0))
    for _ in range(int(rng.integers(0, 6))):
        wide, tall = rng.uniform(0.2, 1.4), rng.uniform(0.2, 1.1)
        y, z = rng.uniform(-half, half), rng.uniform(0.7, high - 0.3)
        thick = rng.choice([0.004, 0.03, 0.08])
        s.add(
            shapes.box((thick, wide, tall), s.texture(0.6), max(wide, tall)),
            (-thick / 2, y, z - tall / 2),
        )
    if rng.random() < 0.5:  # door or window: a frame around something else
        wide, tall, low = rng.uniform(0.8, 1.8), rng.uniform(1.0, 2.1), rng.choice([0.0, 0.9])
        tall = min(tall, high - low - 0.1)
        y, frame = rng.uniform(-half, half) * 0.8, s.texture(0.05)
        s.add(
            shapes.quad(
                [
                    (-0.005, y + i * wide / 2, low + j * tall)
                    for i, j in ((-1, 1), (1, 1), (1, 0), (-1, 0))
                ],
                s.texture(0.6),
                wide,
            )
        )
        for i in (-1, 0, 1):
            s.add(shapes.box((0.08, 0.06, tall), frame), (-0.04, y + i * wide / 2, low))
        s.add(shapes.box((0.1, wide, 0.06), frame), (-0.05, y, low + tall))
        if rng.random() < 0.4:
            for i in (-1, 1):
                folds = shapes.cloth(
                    wide * 0.5, high * 0.9, rng.uniform(0.02, 0.08), s.texture(0.4), rng
                )
                s.add(folds.moved(turn(np.pi / 2), (-0.15, y + i * wide * 0.6, 0)))
    if rng.random() < 0.25:
        y = rng.uniform(-half, half)
        s.add(shapes.box((rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.8), high), paint), (0, y, 0))


def _furnish(s: _Scene, size: NDArray[np.float64], eye: NDArray[np.float64], yaw: float) -> None:
    rng = s.rng
    along_walls = (_shelf, _cabinet, _sofa, _bed, _plant, _lamp, _frame, _desk)
    free = (_dining_table, _chair, _chair, _plant, _block, _sofa, _frame, _person, _lamp)
    for _ in range(int(rng.integers(2, 9))):
        side = int(rng.integers(4))
        angle = side * np.pi / 2
        depth, half = (size[0] / 2, size[1] / 2) if side % 2 == 0 else (size[1] / 2, size[0] / 2)
        at = turn(angle) @ np.array([depth - 0.4, rng.uniform(-0.85, 0.85) * half, 0])
        if np.hypot(*(at - eye)[:2]) > 1.1:
            _placed(
                s, lambda: along_walls[int(rng.integers(len(along_walls)))](s), at, angle + np.pi
            )
    for _ in range(int(rng.integers(1, 9))):
        distance = rng.uniform(0.9, 0.8 * size[:2].max())
        bearing = yaw + rng.uniform(-0.6, 0.6)
        at = np.array([eye[0] + distance * np.cos(bearing), eye[1] + distance * np.sin(bearing), 0])
        if (np.abs(at[:2]) < size[:2] / 2 - 0.3).all():
            _placed(s, lambda: free[int(rng.integers(len(free)))](s), at, rng.uniform(0, 6.3))
    if rng.random() < 0.3:  # something hangs from the ceiling
        at = eye[:2] + rng.uniform(1, 3) * np.array([np.cos(yaw), np.sin(yaw)])
        low = rng.uniform(1.5, 2.2)
        s.add(shapes.rod((*at, low), (*at, size[2]), 0.008, s.texture(0.0)))
        s.add(shapes.lathe([(0.25, 0), (0.05, 0.2)], s.texture(0.2)), (*at, low))


def _desk(s: _Scene) -> None:
    top = s.rng.uniform(0.5, 0.8), s.rng.uniform(0.9, 1.8), s.rng.uniform(0.68, 0.78)
    _with_things(s, lambda scene: _table(scene, top), top)


def _dining_table(s: _Scene) -> None:
    top = s.rng.uniform(0.5, 1.1), s.rng.uniform(0.5, 2.0), s.rng.uniform(0.4, 0.8)
    _with_things(s, lambda scene: _table(scene, top), top)


def _heap(s: _Scene) -> _View:
    """Things on a surface, near; at times things in the air before a wall, of any size."""
    rng = s.rng
    scale = np.exp(rng.uniform(np.log(0.5), np.log(2.0)))
    ground = shapes.terrain((6, 6), rng.uniform(0, 0.05), s.texture(0.4), rng, rng.uniform(0.4, 2))
    s.add(ground)
    for angle in rng.uniform(-0.6, 0.6, int(rng.integers(1, 3))):
        _placed(s, lambda: _wall(s, 5, 4, s.texture(0.4)), (0, 0, 0), 0.0)
        s.add(s.soups.pop().moved(np.eye(3), (rng.uniform(1.7, 3.2), 0, 0)), yaw=angle)
    floating = rng.random() < 0.3
    makers = (_vessel, _block, _block, _heap_of_cloth, _screen)
    small = (_frame, _plant, _lamp, _chair)
    for _ in range(int(rng.integers(4, 30))):
        at = [rng.uniform(-0.5, 1.6), rng.uniform(-1.2, 1.2), 0.0]
        if floating:
            at[2] = rng.uniform(0, 1.0)
        yaw = rng.uniform(0, 6.3)
        if rng.random() < 0.15:
            make = small[int(rng.integers(len(small)))]
            _placed(s, lambda m=make: m(s), at, yaw)
        else:
            make = makers[int(rng.integers(len(makers)))]
            _placed(s, lambda m=make: m(s, rng.uniform(0.08, 0.6)), at, yaw)
        if floating:
            tumbled = s.soups.pop()
            middle = np.array(at)
            s.add(tumbled.moved(np.eye(3), -middle).moved(turn(rng.uniform(0, 6.3), 0), middle))
    eye = np.array([-rng.uniform(0.9, 1.8), rng.uniform(-0.4, 0.4), rng.uniform(0.3, 1.5)])
    pitch = float(np.arctan2(eye[2] - 0.2, -eye[0] + 0.4)) + rng.normal(0, 0.12)
    camera = _camera(rng, eye * scale, rng.normal(0, 0.15), pitch, (40, 75))
    s.soups = [Soup(q.points * np.float32(scale), q.normals, q.uv, q.texture) for q in s.soups]
    lights = [
        Light(
            np.array([rng.uniform(-3, 1), rng.uniform(-3, 3), rng.uniform(1.5, 4)]) * scale,
            _colour(rng, (0.5, 1.8)),
            rng.uniform(2, 6) * scale,
        )
        for _ in range(int(rng.integers(1, 3)))
    ]
    return _View(
        camera, lights, _colour(rng, (0.2, 0.7)), s.photographs[rng.integers(len(s.photographs))]
    )


def _street(s: _Scene) -> _View:
    rng = s.rng
    road, length = rng.uniform(5, 14), rng.uniform(60, 140)
    tile = rng.uniform(1.5, 6)
    pavement, kerb = rng.uniform(1.5, 6), rng.choice([0.0, 0.15])
    s.add(shapes.terrain((400, 400), rng.uniform(0, 0.4), s.texture(0.3), rng, 8), (100, 0, -0.6))
    s.add(
        shapes.quad(
            [(-20, -road / 2, 0), (300, -road / 2, 0), (300, road / 2, 0), (-20, road / 2, 0)],
            s.texture(0.15),
            tile,
        )
    )
    for y in np.arange(-1, 2) * road / 3:
        if rng.random() < 0.6:
            paint = s.texture(0.0)
            for x in np.arange(rng.uniform(0, 4), 80, rng.choice([4, 8])):
                s.add(
                    shapes.quad(
                        [
                            (x, y - 0.07, 0.01),
                            (x + 3, y - 0.07, 0.01),
                            (x + 3, y + 0.07, 0.01),
                            (x, y + 0.07, 0.01),
                        ],
                        paint,
                    )
                )
    for side in (-1, 1):
        _street_side(s, side, road / 2, pavement, float(kerb), length)
    lanes = np.array([-0.3, 0.3, -0.45, 0.45]) * road
    for _ in range(int(rng.integers(0, 9))):
        at = (rng.uniform(5, 60), rng.choice(lanes) + rng.normal(0, 0.2), 0)
        _placed(s, lambda: _car(s), at, rng.choice([0.0, np.pi]) + rng.normal(0, 0.06))
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 4))):
            _placed(
                s,
                lambda: _person(s),
                (rng.uniform(4, 30), rng.uniform(-0.6, 0.6) * road, 0),
                rng.uniform(0, 6.3),
            )
    eye = (0, rng.uniform(-0.35, 0.35) * road, rng.uniform(0.6, 2.2))
    camera = _camera(rng, eye, rng.normal(0, 0.12), rng.normal(0.02, 0.05), (45, 90))
    sun = Light(
        np.array([rng.normal(0, 1), rng.normal(0, 1), rng.uniform(0.3, 1.5)]) * 1000,
        _colour(rng, (0, 1.8)),
        np.inf,
    )
    return _View(camera, [sun], _colour(rng, (0.3, 0.8)), _sky(s))


def _street_side(
    s: _Scene, side: int, edge: float, pavement: float, kerb: float, length: float
) -> None:
    """Pavement, buildings or greenery, poles, trees, hedges and fences on one side of a street."""
    rng = s.rng
    inner, outer = side * edge, side * (edge + pavement)
    if kerb:
        s.add(shapes.box((340, pavement, kerb), s.texture(0.2), 2), (130, (inner + outer) / 2, 0))
    x, built = rng.uniform(-10, 10), rng.random() < 0.75
    while built and x < length:
        wide, tall, deep = rng.uniform(6, 25), rng.uniform(3, 16), rng.uniform(6, 14)
        setback = rng.uniform(0, 5)
        if rng.random() < 0.8:
            centre = outer + side * (setback + deep / 2)
            _placed(
                s,
                lambda w=wide, t=tall, d=deep, n=side: _building(s, w, d, t, n),
                (x + wide / 2, centre, 0),
                0.0,
            )
        x += wide + rng.uniform(0, 6)
    texture, bark = s.texture(0.5), s.texture(0.3)
    for _ in range(int(rng.integers(0, 12))):
        at = (rng.uniform(3, length), outer - side * rng.uniform(-3, pavement * 0.9), 0)
        kind = rng.random()
        if kind < 0.4:
            trunk, crown = rng.uniform(1.5, 4), rng.uniform(2, 6)
            s.add(shapes.lathe([(0.18, 0), (0.1, trunk + 1)], bark), at)
            leaves = shapes.foliage(
                (crown, crown, crown * rng.uniform(0.7, 1.6)),
                rng.uniform(0.1, 0.4),
                int(rng.integers(600, 3000)),
                texture,
                rng,
            )
            s.add(leaves, (at[0], at[1], trunk))
        elif kind < 0.75:
            high = rng.uniform(2, 8)
            s.add(shapes.rod(at, (at[0], at[1], high), rng.uniform(0.03, 0.12), s.texture(0.0)))
            if rng.random() < 0.7:
                plate = rng.uniform(0.4, 1.0)
                s.add(
                    shapes.box((0.03, plate, plate), s.texture(0.7), plate),
                    (at[0], at[1], high - plate),
                )
        elif kind < 0.9:
            size = (rng.uniform(2, 15), rng.uniform(0.5, 1.5), rng.uniform(0.6, 2))
            s.add(shapes.lump(size, 0.08, texture, rng, 1.5), at)
        else:
            post = s.texture(0.05)
            for step in np.arange(0, rng.uniform(4, 20), rng.uniform(0.15, 2.0)):
                s.add(shapes.rod((at[0] + step, at[1], 0), (at[0] + step, at[1], 1.1), 0.03, post))
            s.add(shapes.rod((at[0], at[1], 1.0), (at[0] + 20, at[1], 1.0), 0.03, post))
    for _ in range(int(rng.integers(0, 4))):
        at = (rng.uniform(4, 40), (inner + outer) / 2 + rng.normal(0, 0.5), kerb)
        _placed(s, lambda: _person(s), at, rng.uniform(0, 6.3))
    if rng.random() < 0.4:  # parked cars
        for x in np.arange(rng.uniform(4, 12), rng.uniform(15, 60), rng.uniform(5.5, 9)):
            _placed(s, lambda: _car(s), (x, side * (edge - 1.1), 0), rng.choice([0.0, np.pi]))


def _building(s: _Scene, wide: float, deep: float, tall: float, side: int) -> None:
    """Block with rows of windows that are set in or stand out a little."""
    rng = s.rng
    s.add(shapes.box((wide, deep, tall), s.texture(0.4), rng.uniform(2, 8)))
    front = -side * deep / 2
    floors, bays = max(1, int(tall / 3)), max(1, int(wide / rng.uniform(2, 4)))
    glass = s.texture(0.4)
    relief = rng.uniform(0.02, 0.25)
    for floor in range(floors):
        for bay in range(bays):
            at = (-wide / 2 + (bay + 0.5) * wide / bays, front, floor * 3 + 0.9)
            s.add(shapes.box((wide / bays * 0.5, relief, 1.4), glass, 2), at)
    if rng.random() < 0.4:
        slope = np.array(
            [
                [[-wide / 2, front, tall], [wide / 2, front, tall]],
                [[-wide / 2, 0, tall + 3], [wide / 2, 0, tall + 3]],
                [[-wide / 2, -front, tall], [wide / 2, -front, tall]],
            ]
        )
        s.add(shapes.sheet(slope, s.texture(0.2), 2, smooth=False))


def _car(s: _Scene) -> None:
    """Body, cabin and wheels; also vans."""
    rng = s.rng
    long, wide = rng.uniform(3.6, 5), rng.uniform(1.6, 1.9)
    paint, glass, rubber = s.texture(0.1), s.texture(0.1), s.texture(0.0)
    van = rng.random() < 0.2
    body = rng.uniform(1.4, 2.2) if van else rng.uniform(0.6, 0.8)
    s.add(shapes.superquadric((long, wide, body), (0.3, 0.2), paint, 2), (0, 0, 0.22))
    if not van:
        cabin = shapes.superquadric(
            (long * rng.uniform(0.45, 0.7), wide * 0.86, 0.75), (0.5, 0.25), glass, 2
        )
        s.add(cabin, (-long * rng.uniform(0, 0.12), 0, 0.22 + body * 0.75))
    wheel = shapes.cylinder(0.32, 0.2, rubber).moved(turn(np.pi / 2, 0), (0, 0.1, 0))
    for i in (-1, 1):
        for j in (-1, 1):
            s.add(wheel, (i * long * 0.31, j * (wide / 2 - 0.1), 0.32))


def _sky(s: _Scene) -> Image:
    """Gradient with clouds, or the upper part of a photograph."""
    rng = s.rng
    if rng.random() < 0.3:
        photo = s.photographs[rng.integers(len(s.photographs))]
        return np.ascontiguousarray(photo[: photo.shape[0] // 3])
    low, high = rng.uniform(140, 255, 3), rng.uniform(90, 255) * np.array([0.75, 0.9, 1.0])
    t = np.linspace(0, 1, 96)[:, None, None]
    clouds = cv2.resize(rng.normal(size=(6, 8)).astype(np.float32), (128, 96), interpolation=2)
    return np.clip(high * (1 - t) + low * t + 25 * clouds[..., None] * rng.random(), 0, 255).astype(
        np.uint8
    )
