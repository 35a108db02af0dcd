"""Ray casting: depth against geometry, images against depth, light against both."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from starrygazer_training.scenes import rendering, shapes
from starrygazer_training.scenes.camera import LEVEL, Camera, random_camera
from starrygazer_training.scenes.rendering import Light, Scene, render
from starrygazer_training.scenes.soup import Soup, join, turn
from starrygazer_training.scenes.texturing import TEXTURE_SIDE

SUN = Light(np.array([-400.0, 300.0, 800.0]), np.ones(3), np.inf)
BLACK, GREY, WHITE = 0, 1, 2


def camera(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0, focal: float = 100.0) -> Camera:
    """160x120 pixels at the origin, looking along +x."""
    rotation = turn(yaw) @ turn(pitch, 1) @ turn(roll, 0) @ LEVEL
    return Camera(160, 120, focal, rotation, np.zeros(3))


def scene(*soups: Soup, view: Camera | None = None, **changes: object) -> Scene:
    plain = [np.full((TEXTURE_SIDE, TEXTURE_SIDE, 3), code, np.uint8) for code in (5, 128, 250)]
    given = {
        "soup": join(soups),
        "textures": np.stack(plain),
        "camera": view or camera(),
        "lights": [],
        "ambient": np.ones(3),
        "sky": np.full((4, 4, 3), 90, np.uint8),
    }
    return Scene(**{**given, **changes})  # type: ignore[arg-type]


def wall(distance: float, half: float = 100.0, texture: int = GREY, tile: float = 1.0) -> Soup:
    """Square across the x axis, seen from the origin."""
    y = z = half
    corners = [(distance, y, z), (distance, -y, z), (distance, -y, -z), (distance, y, -z)]
    return shapes.quad(corners, texture, tile)


def directions(view: Camera, offset: float) -> NDArray[np.float64]:
    """World directions [H, W, 3] with unit depth of rays at ``offset`` in each pixel."""
    u = (np.arange(view.width) + offset - view.width / 2) / view.focal
    v = (np.arange(view.height) + offset - view.height / 2) / view.focal
    x, y = np.meshgrid(u, v)
    return np.stack([x, y, np.ones_like(x)], -1) @ view.rotation.T


@pytest.mark.parametrize("supersampling", [1, 2, 3])
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (0.4, -0.3, 0.2), (-0.6, 0.5, -1.0)])
def test_depth_of_a_plane(supersampling: int, pose: tuple[float, float, float]) -> None:
    view = camera(*pose)
    _, depth = render(scene(wall(5.0), view=view), supersampling)
    expected = 5.0 / directions(view, 0.5)[..., 0]
    seen = (expected > 0) & (expected < 50)
    assert seen.mean() > 0.9
    np.testing.assert_allclose(depth[seen], expected[seen], rtol=2e-5, atol=1e-4)


def test_depth_is_along_the_optical_axis_not_along_the_ray() -> None:
    _, depth = render(scene(wall(5.0)))
    np.testing.assert_allclose(depth, 5.0, atol=1e-4)  # a ray to the corner is 7 m long
    assert depth.dtype == np.float32
    assert depth.shape == (120, 160)


def test_depth_of_a_sphere() -> None:
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 700)[:, None]
    longitude = np.linspace(-np.pi, np.pi, 1400)[None]
    ring = np.cos(latitude)
    centre, radius = np.array([4.0, 0.3, -0.2]), 1.2
    points = np.stack(
        np.broadcast_arrays(ring * np.cos(longitude), ring * np.sin(longitude), np.sin(latitude)),
        -1,
    )
    view = camera(0.05, 0.1, 0.3)
    _, depth = render(scene(shapes.sheet(centre + radius * points, GREY), view=view), 1)

    ray = directions(view, 0.5)
    squared, towards = (ray**2).sum(-1), ray @ centre
    discriminant = towards**2 - squared * (centre @ centre - radius**2)
    # Near the outline a facet's tiny error becomes a large one along the ray.
    inside = discriminant > 0.3 * discriminant.max()
    expected = (towards - np.sqrt(np.maximum(discriminant, 0))) / squared
    assert inside.sum() > 500
    np.testing.assert_allclose(depth[inside], expected[inside], atol=1e-4)
    assert (depth[discriminant < -0.1] == 0).all()


def test_depth_of_a_box() -> None:
    low, high = np.array([2.0, -0.5, -0.7]), np.array([3.5, 0.9, 0.4])
    middle = (low + high) / 2
    soup = shapes.box(high - low, GREY).shifted((middle[0], middle[1], low[2]))
    view = Camera(160, 120, 120.0, turn(-0.3) @ turn(0.4, 1) @ LEVEL, np.array([0.2, 0.8, 1.1]))
    _, depth = render(scene(soup, view=view), 1)

    ray = directions(view, 0.5)
    slabs = (np.stack([low, high])[:, None, None] - view.position) / ray
    near, far = slabs.min(0).max(-1), slabs.max(0).min(-1)
    inside, outside = near < far - 1e-4, near > far + 1e-4
    assert inside.mean() > 0.05
    np.testing.assert_allclose(depth[inside], near[inside], atol=1e-4)
    assert (depth[outside] == 0).all()


@pytest.mark.parametrize("supersampling", [1, 3])
def test_pixel_centres_and_principal_point(supersampling: int) -> None:
    edge = -0.31  # metres to the right, at 4 m: 7.75 pixels right of the middle
    corners = [(4, 9, 9), (4, edge, 9), (4, edge, -9), (4, 9, -9)]
    _, depth = render(scene(shapes.quad(corners, GREY)), supersampling)
    centres = np.arange(160) + 0.5
    expected = centres < 80 + 100 * 0.31 / 4
    np.testing.assert_array_equal(depth > 0, np.tile(expected, (120, 1)))


def test_a_symmetric_scene_gives_a_symmetric_image() -> None:
    image, depth = render(scene(wall(5.0, 1.5, WHITE), wall(9.0, 100, BLACK)), 3)
    np.testing.assert_array_equal(depth, depth[::-1, ::-1])
    np.testing.assert_allclose(image.astype(int), image[::-1, ::-1], atol=1)


def test_axes_of_the_optical_frame() -> None:
    assert np.linalg.det(LEVEL) == pytest.approx(1.0)
    right = wall(3.0, 0.2).shifted((0, -1, 0))
    above = wall(4.0, 0.2).shifted((0, 0, 1))
    _, depth = render(scene(right, above))
    rows, columns = np.nonzero(np.abs(depth - 3) < 1e-3)
    assert columns.mean() == pytest.approx(80 + 100 / 3, abs=1)
    assert rows.mean() == pytest.approx(60, abs=1)
    rows, columns = np.nonzero(np.abs(depth - 4) < 1e-3)
    assert columns.mean() == pytest.approx(80, abs=1)
    assert rows.mean() == pytest.approx(60 - 100 / 4, abs=1)


def test_a_camera_turns_left_by_yaw_and_down_by_pitch() -> None:
    rng = np.random.default_rng(0)
    ahead = [random_camera(rng, (0, 0, 0), 0.5, 0.3, (60, 60)).rotation[:, 2] for _ in range(5)]
    expected = (np.cos(0.5) * np.cos(0.3), np.sin(0.5) * np.cos(0.3), -np.sin(0.3))
    np.testing.assert_allclose(ahead, np.tile(expected, (5, 1)), atol=1e-12)


def test_field_of_view_is_the_horizontal_angle() -> None:
    view = random_camera(np.random.default_rng(0), (0, 0, 0), 0, 0, (70, 70))
    assert 2 * np.arctan(view.width / 2 / view.focal) == pytest.approx(np.deg2rad(70))


@pytest.mark.parametrize("shift", np.linspace(0, 1, 11))
@pytest.mark.parametrize("supersampling", [2, 3])
def test_an_image_edge_lies_where_depth_steps(shift: float, supersampling: int) -> None:
    edge = (10.0 + shift) / 100 * 4  # the box ends 10 to 11 pixels right of the middle
    # It fills most of the picture, so that exposure control leaves it unclipped.
    white = shapes.box((0.5, 9.0, 9.0), WHITE).shifted((4.25, 4.5 - edge, -4.5))
    image, depth = render(scene(white, wall(8.0, texture=BLACK)), supersampling)
    light = (image[..., 0] / 255.0) ** 2.2
    light /= 1 - 0.25 * light  # without the shoulder of the camera's response
    half = (light.min() + light.max()) / 2
    for row in (30, 60, 90):
        step = np.flatnonzero(np.diff(depth[row, 80:]) > 1)
        assert len(step) == 1
        column = int(np.flatnonzero(light[row, 80:] < half)[0])
        a, b = light[row, 80 + column - 1], light[row, 80 + column]
        crossing = column - 0.5 + (a - half) / (a - b)
        assert abs(crossing - (step[0] + 1)) <= 0.5 + 0.02  # rounding to codes
        assert abs(crossing - (10 + shift)) <= 0.3


def test_a_slanted_edge_is_anti_aliased() -> None:
    white = wall(4.0, 1.0, WHITE).turned(0.2, 0)
    image, depth = render(scene(white, wall(8.0, texture=GREY)))
    codes = image[..., 0]
    between = (codes > codes.min() + 10) & (codes < codes.max() - 10)
    near, around = (np.abs(depth - 4) < 1e-3).astype(np.uint8), np.ones((3, 3), np.uint8)
    border = cv2.dilate(near, around) != cv2.erode(near, around)
    assert between.sum() > 50
    assert border[between].all()


def room() -> list[Soup]:
    floor = shapes.quad([(0, -9, -1), (30, -9, -1), (30, 9, -1), (0, 9, -1)], GREY)
    return [floor, shapes.box((0.5, 0.5, 1.0), WHITE).shifted((4, 0, -1)), wall(12.0)]


def test_shadows_change_the_image_and_not_the_depth() -> None:
    lit = Light(SUN.position, SUN.colour, SUN.reach, shadows=False)
    ambient = np.full(3, 0.2)
    images, depths = zip(
        *(render(scene(*room(), lights=lights, ambient=ambient)) for lights in ([], [lit], [SUN])),
        strict=True,
    )
    for depth in depths[1:]:
        np.testing.assert_array_equal(depth, depths[0])
    assert len({image.tobytes() for image in images}) == 3


def test_a_shadow_falls_away_from_the_light() -> None:
    sun = Light(np.array([0.0, 1000.0, 1000.0]), np.ones(3), np.inf)  # from the left, 45 degrees
    image, depth = render(scene(*room(), lights=[sun], ambient=np.full(3, 0.1)))
    row = 84  # where the floor is 4 m away
    assert depth[row, 40] == pytest.approx(4, abs=0.1)
    left, right = image[row, 80 - 17], image[row, 80 + 17]  # 0.7 m beside the middle
    assert right.max() < 0.6 * left.min()


def test_a_lamp_at_its_reach_has_half_its_light() -> None:
    def brightness(reach: float) -> float:
        lamp = Light(np.array([0.0, 0.0, 0.0]), np.full(3, 0.5), reach, shadows=False)
        tracer = rendering._Tracer(scene(wall(2.0, texture=WHITE), lights=[lamp]))
        towards_wall = np.array([[-1.0], [0.0], [0.0]], np.float32)
        at = np.array([[2.0], [0.0], [0.0]], np.float32)
        return float(tracer._lit(lamp, at, towards_wall)[0, 0])

    assert brightness(np.inf) == pytest.approx(0.5)
    assert brightness(2.0) == pytest.approx(0.25)


def test_surfaces_look_the_same_from_both_sides() -> None:
    front, floor = wall(5.0, 1.0, WHITE), room()[0]
    back = Soup(front.points[:, ::-1], -front.normals[:, ::-1], front.uv[:, ::-1], front.texture)
    lights = [Light(np.array([0.0, 1.0, 2.0]), np.ones(3), 5.0)]
    one, other = (render(scene(side, floor, lights=lights)) for side in (front, back))
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_allclose(one[0].astype(int), other[0], atol=1)


def striped() -> NDArray[np.uint8]:
    """Three textures, of which the grey one is black on the left and white on the right."""
    textures = np.array(scene(wall(1.0)).textures)
    textures[GREY, :, : TEXTURE_SIDE // 2] = 5
    textures[GREY, :, TEXTURE_SIDE // 2 :] = 250
    return textures


@pytest.mark.parametrize("tile", [0.25, 0.5, 1.3])
def test_texture_coordinates_are_metres(tile: float) -> None:
    image, _ = render(scene(wall(5.0, 6.0, tile=tile), textures=striped()))
    row = image[60, :, 0] > 128
    edges = np.flatnonzero(np.diff(row.astype(int))) + 1
    # Mirrored tiles: a step in the middle of each, so one per tile; a metre has 20 pixels.
    assert len(edges) == pytest.approx(160 / (20 * tile), abs=1)
    np.testing.assert_allclose(np.diff(edges), 20 * tile, atol=1.01)


def test_columns_of_a_texture_run_along_u_and_rows_along_v() -> None:
    textures = striped()
    textures[GREY] = 5
    textures[GREY, :64, 192:] = 250  # a quarter of each side, where u is large and v small
    image, _ = render(scene(wall(5.0, 2.0, tile=4.0), textures=textures))
    rows, columns = np.nonzero(image[20:100, 40:120, 0] > 128)  # the wall has 80x80 pixels
    assert (rows.min(), rows.max()) == (0, 19)
    assert (columns.min(), columns.max()) == (60, 79)


def test_tiles_have_no_seams() -> None:
    textures = striped()
    ramp = np.linspace(20, 235, TEXTURE_SIDE).astype(np.uint8)
    textures[GREY] = np.broadcast_to(ramp[None, :, None], textures[GREY].shape)
    image, _ = render(scene(wall(5.0, 6.0, tile=1.0), textures=textures))
    steps = np.abs(np.diff(image[..., 0].astype(int), axis=1))
    assert image[..., 0].max() - image[..., 0].min() > 100
    assert steps.max() < 25  # a tile has 20 pixels; a seam would be a step of more than 100


def test_far_textures_are_blurred_to_their_mean() -> None:
    textures = striped()
    noise = np.random.default_rng(0).integers(0, 256, textures[GREY].shape[:2], dtype=np.uint8)
    textures[GREY] = noise[..., None]
    near, _ = render(scene(wall(2.0, tile=3.0), textures=textures))
    far, _ = render(scene(wall(60.0, tile=3.0), textures=textures))
    assert near.std() > 20
    assert far.std() < 5


def test_where_nothing_is_there_is_sky() -> None:
    sky = np.zeros((120, 160, 3), np.uint8)
    sky[..., 2] = 200
    image, depth = render(scene(wall(5.0, 1.0), sky=sky))
    assert (depth[:5] == 0).all()
    assert (image[:5, :, 2] > 100).all()
    assert (image[:5, :, 0] == 0).all()
    only_sky, nothing = render(scene(wall(-5.0, 1.0), sky=sky))
    assert (nothing == 0).all()
    assert (only_sky[..., 2] > 100).all()


def test_the_nearest_surface_is_seen() -> None:
    soups = [wall(distance, texture=BLACK) for distance in (7.0, 3.0, 5.0)]
    _, depth = render(scene(*soups))
    np.testing.assert_allclose(depth, 3.0, atol=1e-4)


def test_the_number_of_rays_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = scene(*room(), lights=[SUN])
    image, depth = render(given)
    monkeypatch.setattr(rendering, "RAYS_AT_ONCE", 1001)
    other_image, other_depth = render(given)
    np.testing.assert_array_equal(image, other_image)
    np.testing.assert_array_equal(depth, other_depth)
