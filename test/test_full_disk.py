"""Disks that are really full or read-only, in a mount namespace: what is written, and what stays.

The bag command, whose frames are kept, is in here; the node's own are in test/integration.
"""

from __future__ import annotations

import pytest

from robustness.disks import NO_NAMESPACES, Disk, can_make_disks

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
