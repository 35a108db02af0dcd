"""Objects and scenes: where they stand, what views of them hold, that seeds keep their meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from starrygazer_training.scenes import furniture, roadside, things, vehicles, walls
from starrygazer_training.scenes.__main__ import main
from starrygazer_training.scenes.contact_sheet import contact_sheet, inverse_depth_colours
from starrygazer_training.scenes.lens import through_a_lens
from starrygazer_training.scenes.materials import Materials, drawn_photograph, plain_material
from starrygazer_training.scenes.rendering import render
from starrygazer_training.scenes.sampling import KINDS, random_scene, shows_something
from starrygazer_training.scenes.soup import Soup
from starrygazer_training.scenes.texturing import TEXTURE_SIDE

SEEDS = range(10)
PHOTOGRAPHS = [drawn_photograph(np.random.default_rng(seed)) for seed in range(8)]
BUILDERS: dict[str, Callable[[Materials], Soup]] = {
    "vessel": things.vessel,
    "block": things.block,
    "screen": things.screen,
    "lamp": things.lamp,
    "plant": things.plant,
    "rack": things.rack,
    "person": things.person,
    "heap of cloth": things.heap_of_cloth,
    "table": lambda m: furniture.table(m, (0.8, 1.4, 0.7)),
    "desk": furniture.desk,
    "dining table": furniture.dining_table,
    "chair": furniture.chair,
    "shelf": furniture.shelf,
    "cabinet": furniture.cabinet,
    "sofa": furniture.sofa,
    "bed": furniture.bed,
    "car": vehicles.car,
    "building": lambda m: roadside.building(m, (12.0, 8.0, 7.0), 1),
    "tree": lambda m: roadside.tree(m, m.texture(), m.texture()),
    "pole": roadside.pole,
    "hedge": lambda m: roadside.hedge(m, m.texture()),
    "fence": roadside.fence,
    "wall": lambda m: walls.wall(m, 3.0, 2.5, m.texture()),
}
# How far below the ground a part may reach, in metres: bumps of a lump, and the rim of a slanted
# rod's end.
BELOW = {"heap of cloth": 0.2, "hedge": 0.2, "rack": 0.03, "person": 0.05}


def materials(seed: int) -> Materials:
    return Materials(np.random.default_rng(seed), PHOTOGRAPHS)


@pytest.mark.parametrize("name", BUILDERS)
def test_objects_are_sound_and_stand_on_the_ground(name: str) -> None:
    for seed in SEEDS:
        used = materials(seed)
        soup = BUILDERS[name](used)
        for array in (soup.points, soup.normals, soup.uv):
            assert array.dtype == np.float32
            assert np.isfinite(array).all()
        low, high = soup.points.min((0, 1)), soup.points.max((0, 1))
        assert -BELOW.get(name, 0.0) - 1e-5 <= low[2] < 0.35 * high[2]
        assert (high - low > 0.004).all()
        a, b, c = soup.points.astype(float).transpose(1, 0, 2)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
        assert (area > 1e-10).mean() > 0.8
        length = np.linalg.norm(soup.normals, axis=-1)
        assert (np.abs(length - 1) < 0.01).mean() > 0.85
        assert soup.texture.min() >= 0
        assert soup.texture.max() < len(used.textures())


@pytest.mark.parametrize("name", BUILDERS)
def test_the_same_seed_gives_the_same_object(name: str) -> None:
    one, other = (BUILDERS[name](materials(3)) for _ in range(2))
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.uv, other.uv)
    assert not np.array_equal(one.points.sum(), BUILDERS[name](materials(4)).points.sum())


@pytest.mark.parametrize("make", [things.vessel, things.block, things.heap_of_cloth, things.screen])
def test_things_are_about_as_large_as_asked(make: Callable[[Materials, float], Soup]) -> None:
    for seed in SEEDS:
        soup = make(materials(seed), 0.3)
        extent = soup.points.max((0, 1)) - soup.points.min((0, 1))
        assert 0.05 < extent.max() < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_have_finite_plausible_depth(kind: str) -> None:
    for seed in SEEDS:
        scene = KINDS[kind].build(materials(seed))
        camera = replace(scene.camera, width=96, height=72, focal=scene.camera.focal / 4)
        image, depth = render(replace(scene, camera=camera), supersampling=1)
        assert image.shape == (72, 96, 3)
        assert np.isfinite(depth).all()
        assert depth.min() >= 0
        assert depth.max() < {"room": 15, "street": 500, "heap": 25}[kind]
        if kind == "room":
            assert (depth > 0).all()  # no look through a wall
        assert np.ptp(image.astype(int)) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_are_repeatable(kind: str) -> None:
    def picture() -> tuple[bytes, bytes]:
        image, depth = render(KINDS[kind].build(materials(5)), supersampling=1)
        return image.tobytes(), depth.tobytes()

    assert picture() == picture()


def test_cameras_stand_inside_their_rooms() -> None:
    for seed in range(30):
        scene = KINDS["room"].build(materials(seed))
        x, y, z = scene.camera.position
        corner = scene.soup.points[:2].max((0, 1))  # the floor comes first
        assert abs(x) < corner[0]
        assert abs(y) < corner[1]
        assert 0.5 <= z <= 1.8


# Renders that were made earlier stay valid only if a seed keeps its scene. Medians of depth in
# metres and of the image's codes; whoever changes them on purpose has to render every cache again.
EXPECTED = {
    0: (9.6849, 118),
    1: (15.6789, 116),
    2: (3.4557, 126),
    3: (4.1073, 113),
    4: (2.3866, 119),
    5: (2.3758, 131),
    6: (6.6569, 151),
    7: (9.4024, 151),
}


@pytest.mark.parametrize("seed", EXPECTED)
def test_a_seed_keeps_its_scene(seed: int) -> None:
    image, depth = random_scene(np.random.default_rng(seed), PHOTOGRAPHS)
    metres, code = EXPECTED[seed]
    assert np.median(depth[depth > 0]) == pytest.approx(metres, rel=1e-3)
    assert np.median(image) == pytest.approx(code, abs=1)


def test_random_scenes_have_the_promised_form() -> None:
    for seed in (20, 21, 22):
        image, depth = random_scene(np.random.default_rng(seed), PHOTOGRAPHS)
        assert image.shape == (288, 384, 3)
        assert image.dtype == np.uint8
        assert depth.shape == (288, 384)
        assert depth.dtype == np.float32
        assert shows_something(depth)
    assert sum(kind.share for kind in KINDS.values()) == pytest.approx(1.0)


def test_empty_views_are_drawn_again() -> None:
    rows = np.linspace(1, 3, 100, dtype=np.float32)
    floor = np.tile(rows[:, None], (1, 50))
    good = floor.copy()
    good[40:60, 20:30] *= 0.8  # an object before it
    assert shows_something(good)
    assert not shows_something(floor)  # no object
    assert not shows_something(np.zeros_like(good))  # sky
    assert not shows_something(np.where(rows[:, None] < 1.5, good, 0))  # little but sky
    assert not shows_something(np.full_like(good, 2.0))  # one flat thing
    assert not shows_something(good * 0.1)  # something right before the lens


def test_materials_need_a_photograph() -> None:
    with pytest.raises(ValueError, match="at least one photograph"):
        Materials(np.random.default_rng(0), [])


def test_textures_are_photographs_as_often_as_asked() -> None:
    photograph = np.zeros((300, 200, 3), np.uint8)
    photograph[..., 1] = 200
    used = Materials(np.random.default_rng(0), [photograph])
    assert [used.texture(0.0) for _ in range(3)] == [0, 1, 2]
    assert used.texture(1.0) == 3
    textures = used.textures()
    assert textures.shape == (4, TEXTURE_SIDE, TEXTURE_SIDE, 3)
    assert [bool((t == (0, 200, 0)).all()) for t in textures] == [False, False, False, True]


def test_materials_are_neither_black_nor_white() -> None:
    for seed in range(30):
        texture = plain_material(np.random.default_rng(seed))
        assert texture.shape == (TEXTURE_SIDE, TEXTURE_SIDE, 3)
        assert 5 <= texture.min() <= texture.max() < 255


def test_a_lens_moves_no_edge() -> None:
    image = np.full((80, 100, 3), 40, np.uint8)
    image[:, 50:] = 200
    for seed in SEEDS:
        seen = through_a_lens(image, np.random.default_rng(seed)).mean(2)
        middle = (seen[:, :30].mean() + seen[:, 70:].mean()) / 2
        assert np.flatnonzero(seen.mean(0) > middle)[0] == 50


def test_colours_of_inverse_depth() -> None:
    depth = np.array([[0.0, 1.0, 2.0, 50.0]], np.float32)
    colours = inverse_depth_colours(depth)[0].astype(int)
    assert (colours[0] == 0).all()
    brightness = colours[1:].sum(1)
    assert brightness[0] > brightness[1] > brightness[2]
    assert (inverse_depth_colours(np.zeros((2, 2), np.float32)) == 0).all()


def test_a_contact_sheet_has_images_above_depth() -> None:
    one = np.full((40, 60, 3), 77, np.uint8), np.full((40, 60), 2.0, np.float32)
    sheet = contact_sheet([one] * 5, list("abcde"), columns=2)
    assert sheet.shape == (3 * 84, 2 * 64, 3)
    assert (sheet[30:40, :60] == 77).all()
    assert (sheet[-40:, 64:] == 255).all()  # no sixth scene


def test_the_command_writes_a_contact_sheet(tmp_path: Path) -> None:
    output = tmp_path / "new" / "sheet.png"
    assert main(["--count", "2", "--first", "3", "--output", str(output)]) == 0
    picture = cv2.imread(str(output))
    assert picture.shape == (2 * 288 + 4, 2 * (384 + 4), 3)


def test_the_command_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path / "sheet.png"), "--data", str(tmp_path)]) == 1
    assert "no photographs (" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--output", str(tmp_path / "sheet.png"), "--count", "0"])
