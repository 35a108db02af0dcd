from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.tensorrt.plan_cache import PlanCache, UnsafeFolderError, plan_key


def unwanted():
    raise AssertionError("nothing is to be built")


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path / "plans")


def test_a_plan_is_built_once(cache):
    assert cache.get_or_build("key", {"model": "tiny"}, lambda: b"plan") == b"plan"
    assert cache.get_or_build("key", {"model": "tiny"}, unwanted) == b"plan"
    (plan,) = cache.plans()
    assert (plan.key, plan.size, plan.about["model"]) == ("key", 4, "tiny")
    assert plan.about["build_seconds"] >= 0


def test_a_build_that_fails_leaves_nothing(cache):
    with pytest.raises(AssertionError):
        cache.get_or_build("key", {}, unwanted)
    assert cache.plans() == []
    assert cache.get_or_build("key", {}, lambda: b"plan") == b"plan"


def test_a_plan_that_was_changed_is_put_away_with_the_reason(cache):
    cache.get_or_build("key", {"model": "tiny"}, lambda: b"plan")
    (cache.folder / "key.plan").write_bytes(b"evil")
    assert cache.get_or_build("key", {}, lambda: b"new") == b"new"
    assert (cache.folder / "key.plan.bad").read_bytes() == b"evil"
    about = json.loads((cache.folder / "key.json.bad").read_text())
    assert about["model"] == "tiny"
    assert "changed or cut off" in about["quarantined"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"[" * 50_000])
def test_a_damaged_sidecar_costs_a_build_and_no_more(cache, content):
    cache.get_or_build("key", {}, lambda: b"plan")
    (cache.folder / "key.json").write_bytes(content)
    assert cache.get_or_build("key", {}, lambda: b"new") == b"new"


def test_those_used_longest_ago_leave_when_it_is_full(tmp_path):
    cache = PlanCache(tmp_path, largest=25)
    for age, key in ((300, "old"), (200, "used"), (100, "young")):
        cache.get_or_build(key, {}, lambda: b"0123456789")
        os.utime(cache.folder / f"{key}.plan", (1e9 - age, 1e9 - age))
    assert {plan.key for plan in cache.plans()} == {"used", "young"}
    cache.get_or_build("used", {}, unwanted)  # now the newest
    cache.get_or_build("new", {}, lambda: b"0123456789")
    assert {plan.key for plan in cache.plans()} == {"used", "new"}


def test_a_plan_larger_than_the_cache_is_kept_as_long_as_it_is_the_last(tmp_path):
    cache = PlanCache(tmp_path, largest=5)
    cache.get_or_build("large", {}, lambda: b"0123456789")
    assert [plan.key for plan in cache.plans()] == ["large"]


def test_the_key_tells_all_that_a_plan_depends_on():
    key = plan_key(onnx=b"graph", gpu={"name": "Orin", "cuda": "12.6"}, shapes=(1, 2))
    assert key == plan_key(shapes=(1, 2), gpu={"cuda": "12.6", "name": "Orin"}, onnx=b"graph")
    for other in ({"onnx": b"other"}, {"gpu": {"name": "Thor"}}, {"shapes": (1, 3)}):
        values = {"onnx": b"graph", "gpu": {"name": "Orin", "cuda": "12.6"}, "shapes": (1, 2)}
        assert plan_key(**{**values, **other}) != key


def test_everything_can_be_removed(cache):
    cache.get_or_build("key", {}, lambda: b"plan")
    cache.quarantine("key", "why not")
    cache.get_or_build("key", {}, lambda: b"plan")
    assert cache.clean() == 1
    assert list(cache.folder.iterdir()) == []


def test_a_plan_without_room_for_its_sidecar_is_not_kept(cache, monkeypatch):
    whole = Path.write_bytes

    def write(path, content):
        if ".json" in path.name:
            whole(path, b"ha")
            raise OSError(28, "No space left on device")
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    assert cache.get_or_build("key", {}, lambda: b"plan") == b"plan"
    assert "No space left on device" in cache.problem
    assert [path.name for path in cache.folder.iterdir()] == ["key.lock"]


def test_what_a_killed_build_left_is_removed_by_the_next(cache):
    (cache.folder / "key.plan.123.tmp").write_bytes(b"half")
    cache.get_or_build("key", {}, lambda: b"plan")
    assert sorted(path.suffix for path in cache.folder.iterdir()) == [".json", ".lock", ".plan"]


def test_is_for_its_owner_alone(cache):
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


def test_a_folder_into_which_others_may_write_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(UnsafeFolderError, match="chmod go-w"):
        PlanCache(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    os.chown(tmp_path, 1234, 1234)
    with pytest.raises(UnsafeFolderError, match="belongs to another user"):
        PlanCache(tmp_path)


@pytest.mark.parametrize("base", ["", "relative/path"])
def test_the_cache_is_that_of_the_xdg_specification(monkeypatch, tmp_path, base):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert cache_folder("tensorrt") == tmp_path / ".cache" / "starrygazer_ros" / "tensorrt"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder("x") == tmp_path / "cache" / "starrygazer_ros" / "x"
