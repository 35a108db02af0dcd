"""Disks that are really full or read-only: what is told, what stays, and whether it goes on."""

from __future__ import annotations

import numpy as np
import pytest

from robustness.disks import NO_NAMESPACES, Disk, can_make_disks
from starrygazer_ros.files import write_image, write_npy

pytestmark = pytest.mark.skipif(not can_make_disks(), reason=NO_NAMESPACES)

PLANS = """
import sys
from pathlib import Path
from starrygazer_ros.backends.tensorrt.plan_cache import PlanCache

cache = PlanCache(Path(sys.argv[1]) / "plans")
plan = cache.get_or_build("key", {}, lambda: print("built") or bytes(200_000))
assert plan == bytes(200_000)
if sys.argv[2:] == ["bad"]:
    cache.quarantine("key", "it computes nonsense")
    cache.get_or_build("key", {}, lambda: print("built anew") or b"plan")
print(cache.problem)
"""


def test_a_plan_for_which_there_is_no_room_is_used_and_leaves_nothing(tmp_path):
    with Disk(tmp_path, "size=64k") as disk:
        full = disk.python("-c", PLANS, str(tmp_path))
        assert full.stdout.startswith("built\nplans cannot be kept in "), full.stderr
        assert "(No space left on device): each start builds them anew" in full.stdout
        assert [str(path) for path in disk.files()] == ["plans/key.lock"]
        disk.make_room()
        assert disk.python("-c", PLANS, str(tmp_path)).stdout == "built\n\n"
        assert disk.python("-c", PLANS, str(tmp_path)).stdout == "\n"


def test_a_plan_in_a_read_only_folder_is_used(tmp_path):
    with Disk(tmp_path, "size=1m") as disk:
        assert disk.python("-c", PLANS, str(tmp_path)).stdout == "built\n\n"
        disk.freeze()
        frozen = disk.python("-c", PLANS, str(tmp_path))
        assert frozen.stdout == "\n", frozen.stderr


def test_a_bad_plan_in_a_read_only_folder_is_not_taken_twice(tmp_path):
    with Disk(tmp_path, "size=1m") as disk:
        disk.python("-c", PLANS, str(tmp_path))
        disk.freeze()
        frozen = disk.python("-c", PLANS, str(tmp_path), "bad")
        assert frozen.stdout.startswith("built anew\nplans cannot be kept"), frozen.stderr
        assert "Read-only file system" in frozen.stdout


CLI = "import sys; from starrygazer_ros.cli import main; sys.exit(main())"


@pytest.fixture
def pair(tmp_path):
    """Files of an image and its sparse depth."""
    image, sparse = tmp_path / "image.png", tmp_path / "sparse.npy"
    random = np.random.default_rng(0)
    write_image(image, random.integers(0, 256, (240, 320, 3), dtype=np.uint8))
    depth = np.zeros((240, 320), np.float32)
    depth[::8, ::8] = 3
    write_npy(sparse, depth)
    return image, sparse


@pytest.fixture
def small(tmp_path):
    """A disk with room for next to nothing."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with Disk(folder, "size=16k") as disk:
        yield disk


@pytest.mark.parametrize("name", ["depth.npy", "depth.preview.png", "depth.ply"])
def test_half_a_file_is_not_left(pair, small, tiny_bundle, name):
    out = str(small.folder / name)
    options = ["--bundle", str(tiny_bundle), "--intrinsics", "300", "300", "160", "120"]
    command = ["-c", CLI, "complete", *map(str, pair), *options, "-o", out]
    full = small.python(*command)
    assert full.returncode == 2
    assert full.stderr.endswith(f"error: {out} cannot be written: No space left on device\n")
    assert small.files() == []
    small.make_room()
    assert small.python(*command).returncode == 0
    assert [path.name for path in small.files()] == [name]


def test_what_was_there_stays_if_it_cannot_even_be_opened(tmp_path):
    with Disk(tmp_path, "size=64k") as disk:
        writing = (
            "import sys; from pathlib import Path; from starrygazer_ros.files import write_npy"
        )
        writing += "; import numpy as np; write_npy(Path(sys.argv[1]), np.zeros((2, 2)))"
        assert disk.python("-c", writing, str(tmp_path / "depth.npy")).returncode == 0
        disk.freeze()
        again = disk.python("-c", writing, str(tmp_path / "depth.npy"))
        assert "cannot be written: Read-only file system" in again.stderr
        assert [path.name for path in disk.files()] == ["depth.npy"]


def test_half_a_bundle_is_not_left(pair, small, tiny_bundle, tmp_path):
    pytest.importorskip("onnx", reason="onnx is needed: see requirements/")
    for file, kind in zip(pair, ("image", "sparse"), strict=True):
        (tmp_path / kind).mkdir()
        file.rename(tmp_path / kind / f"1{file.suffix}")
    out = str(small.folder / "int8")
    command = ["-c", CLI, "models", "quantize", str(tiny_bundle), out, "--frames", str(tmp_path)]
    full = small.python(*command)
    assert full.returncode == 2
    assert f"starrygazer: error: {out} cannot be made: " in full.stderr
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    assert small.files() == []
    small.make_room()
    assert small.python(*command).returncode == 0


@pytest.mark.parametrize("size", ["4k", "64k", "928k"])  # in the job, the frames, the bag
@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_bag_for_which_there_is_no_room_is_continued(tmp_path, tiny_bundle, size, storage):
    pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")
    from recordings import record_drive

    source = record_drive(tmp_path / "in", frames=6, storage=storage)
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["-c", CLI, "bag", str(source), f"{folder}/out", "-p", f"model:={tiny_bundle}"]
    with Disk(folder, f"size={size}") as disk:
        full = disk.python(*command)
        assert full.returncode == 2
        *_, line = full.stderr.splitlines()
        assert line.startswith("starrygazer: error: ")
        assert "full" in line or "No space left on device" in line
        assert "Traceback" not in full.stderr
        assert "out.partial" in {path.parts[0] for path in disk.files()}
        disk.make_room()
        again = disk.python(*command)
        assert again.returncode == 0, again.stderr
        assert "completed 6 of 6 images" in again.stdout
        assert {path.parts[0] for path in disk.files()} == {"out"}
