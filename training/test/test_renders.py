"""Renders on disk: codes of depth, restarts, damage."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from starrygazer_training import renders
from starrygazer_training.renders import (
    FARTHEST,
    NEAREST,
    decode_depth,
    encode_depth,
    make_renders,
    read_render,
    render_paths,
)
from starrygazer_training.scenes.materials import drawn_photograph
from starrygazer_training.scenes.sampling import random_scene

COUNT = 6
RENDER = """
import sys
from pathlib import Path
from starrygazer_training.renders import make_renders
if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    make_renders(sorted((folder / "photos").iterdir()), folder / "renders", count)
"""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    paths = [folder / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        cv2.imwrite(str(path), drawn_photograph(np.random.default_rng(seed)))
    return paths


@pytest.fixture(scope="module")
def rendered(photographs: list[Path]) -> Path:
    folder = photographs[0].parent.parent / "renders"
    make_renders(photographs, folder, 2)
    return folder


def test_depth_survives_its_codes() -> None:
    depth = np.geomspace(NEAREST, FARTHEST, 100_001).astype(np.float32)
    codes = encode_depth(depth)
    assert codes.dtype == np.uint16
    assert codes.min() == 1
    assert codes.max() == 65535
    decoded = decode_depth(codes)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, depth, rtol=1e-4)
    np.testing.assert_array_equal(encode_depth(decoded), codes)


def test_sky_stays_sky() -> None:
    depth = np.array([[0.0, 1.0], [0.0, np.nan]], np.float32)
    assert (encode_depth(depth) == [[0, encode_depth(depth)[0, 1]], [0, 0]]).all()
    decoded = decode_depth(encode_depth(depth))
    np.testing.assert_array_equal(decoded[:, 0], 0)
    assert decoded[0, 1] == pytest.approx(1.0, rel=1e-4)


def test_depth_out_of_range_moves_to_the_limit() -> None:
    decoded = decode_depth(encode_depth(np.array([0.001, 5000.0], np.float32)))
    np.testing.assert_allclose(decoded, (NEAREST, FARTHEST), rtol=1e-4)


def test_renders_are_the_scenes_of_their_numbers(photographs: list[Path], rendered: Path) -> None:
    expected = {path for index in range(2) for path in render_paths(rendered, index)}
    assert files(rendered) == expected
    pictures = [cv2.imread(str(path))[..., ::-1] for path in photographs]
    for index in range(2):
        image, depth = read_render(rendered, index)
        expected_image, expected_depth = random_scene(np.random.default_rng(index), pictures)
        np.testing.assert_array_equal(image, expected_image)
        np.testing.assert_allclose(depth, expected_depth, rtol=1e-4)
        np.testing.assert_array_equal(depth == 0, expected_depth == 0)


def test_scenes_that_exist_are_not_rendered_again(
    photographs: list[Path], rendered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(renders, "ProcessPoolExecutor", refuse)
    make_renders(photographs, rendered, 2)
    make_renders(photographs, rendered, 0)


def test_a_killed_run_goes_on_where_it_was(photographs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(photographs[0].parent)
    script, folder = tmp_path / "render.py", tmp_path / "renders"
    script.write_text(RENDER)
    command = [sys.executable, str(script), str(tmp_path), str(COUNT)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(complete_scenes(folder)) >= 2)
    assert run.poll() is None, "the run was over before it could be killed"
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    time.sleep(3)  # workers that went on without their parent would write by now
    complete = {path: path.stat().st_mtime_ns for path in complete_scenes(folder)}
    assert 2 <= len(complete) < COUNT
    for path in complete:
        read_render(folder, int(path.stem))
    for path in render_paths(folder, COUNT - 1):
        path.with_name(f"{path.name}.12345.partial").write_bytes(b"half of a scene")

    make_renders(photographs, folder, COUNT)
    for index in range(COUNT):
        read_render(folder, index)
    assert complete == {path: path.stat().st_mtime_ns for path in complete}
    with pytest.raises(FileNotFoundError):
        read_render(folder, COUNT)


def test_workers_end_with_their_parent(photographs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(photographs[0].parent)
    script, folder = tmp_path / "render.py", tmp_path / "renders"
    script.write_text(RENDER)
    # The pipe closes when the last process that holds it has ended.
    run = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), "500"], stderr=subprocess.PIPE
    )
    wait_for(lambda: len(complete_scenes(folder)) > 0)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=30)


def test_an_image_without_depth_is_not_a_complete_scene(
    photographs: list[Path], tmp_path: Path
) -> None:
    image, depth = render_paths(tmp_path, 0)
    image.parent.mkdir()
    image.write_bytes(b"cut off")
    with pytest.raises(FileNotFoundError, match=re.escape(f"{depth} is missing")):
        read_render(tmp_path, 0)
    make_renders(photographs, tmp_path, 1, workers=1)
    read_render(tmp_path, 0)


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("keep", [0, 1000])
def test_a_damaged_file_says_what_to_do(
    rendered: Path, tmp_path: Path, part: int, keep: int
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(rendered, folder)
    paths = render_paths(folder, 1)
    paths[part].write_bytes(paths[part].read_bytes()[:keep])
    with pytest.raises(ValueError, match=re.escape(f"scene 1 is damaged: delete {paths[1]}")):
        read_render(folder, 1)
    read_render(folder, 0)


def test_a_scene_whose_depth_was_deleted_is_rendered_again(
    photographs: list[Path], rendered: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(rendered, folder)
    image, depth = render_paths(folder, 1)
    image.write_bytes(b"damaged")
    depth.unlink()
    make_renders(photographs, folder, 2)
    for path in (image, depth):
        assert path.read_bytes() == (rendered / path.relative_to(folder)).read_bytes()


def test_an_image_in_place_of_depth_is_refused(rendered: Path, tmp_path: Path) -> None:
    for path in render_paths(tmp_path, 0):
        path.parent.mkdir()
        shutil.copy(render_paths(rendered, 0)[0], path)
    with pytest.raises(ValueError, match="damaged"):
        read_render(tmp_path, 0)


def test_an_unreadable_photograph_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photograph")
    with pytest.raises(ValueError, match=r"cannot read image .*broken\.jpg"):
        make_renders([broken], tmp_path / "renders", 1, workers=1)
    assert not files(tmp_path / "renders")


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def complete_scenes(folder: Path) -> list[Path]:
    return sorted(render_paths(folder, 0)[1].parent.glob("*.png"))


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing happened in {seconds:.0f} s")
