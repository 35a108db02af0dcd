"""Relative depth of a folder: any MDE, restartable, two MDEs never mixed, no photograph lost."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper
from starrygazer_training.relative_depth import (
    CacheReport,
    Mde,
    MdeRunner,
    cache_relative_depth,
    read_relative_depth,
    relative_depth_path,
)

from starrygazer_ros.completion import (
    BundleGraphError,
    BundleIntegrityError,
    BundleNotFoundError,
    DepthCompleter,
)
from starrygazer_ros.files import FileError

SIZES = {"pixels": 10_000, "multiple": 14, "minimum": 28, "maximum": 1400}


def save_mde(
    path: Path, factor: float = 1.0, offset: float = 0.0, output: str = "relative_depth"
) -> Path:
    """``factor`` times the mean of the image's channels plus ``offset``."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], [output]),
    ]
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
        for name, value in (("factor", factor), ("offset", offset))
    ]
    image, depth = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "height", "width"])
        for name, channels in (("image", 3), (output, 1))
    )
    graph = helper.make_graph(nodes, "mde", [image], [depth], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture
def mde(tmp_path: Path) -> Mde:
    return Mde.from_onnx(save_mde(tmp_path / "mde.onnx"), **SIZES)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photographs in two folders; two have the same stem."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name in ("a/one.png", "a/one.jpg", "b/two.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(image, (160, 120)))
    (folder / "notes.txt").write_text("no photograph", encoding="utf-8")
    return folder


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shape of every image that an MDE really saw."""
    seen: list[tuple[int, ...]] = []
    real = MdeRunner.relative_depth

    def counting(self: MdeRunner, image: np.ndarray) -> np.ndarray:
        seen.append(image.shape)
        return real(self, image)

    monkeypatch.setattr(MdeRunner, "relative_depth", counting)
    return seen


def test_every_photograph_gets_its_relative_depth(mde: Mde, photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert cache_relative_depth(photos, mde, cache) == CacheReport(3, 0, ())
    for name in ("a/one.png", "a/one.jpg", "b/two.png"):
        path = relative_depth_path(cache, mde, photos, photos / name)
        depth = read_relative_depth(path)
        assert depth.dtype == np.float32
        assert depth.shape == (84, 112)  # about 10,000 pixels in multiples of 14
        grey = cv2.imread(str(photos / name)).mean(-1).astype(np.float32) / 255
        full = read_relative_depth(path, (120, 160))
        assert full.shape == (120, 160)
        assert np.abs(full - grey).mean() < 0.01
        with np.load(path, allow_pickle=False) as arrays:
            assert arrays["relative_depth"].dtype == np.float16


def write_bundle(folder: Path) -> Path:
    """A bundle whose refinement gives the mean of the sparse depth."""
    folder.mkdir()
    save_mde(folder / "mde.onnx", factor=3.0, offset=-1.0)
    names = {"image": 3, "relative_depth": 1, "sparse_depth": 1, "depth": 1, "confidence": 1}
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "h", "w"])
        for name, channels in names.items()
    }
    nodes = [
        helper.make_node("Mul", ["relative_depth", "relative_depth"], ["square"]),
        helper.make_node("ReduceMax", ["sparse_depth"], ["farthest"], keepdims=1),
        helper.make_node("ReduceMean", ["image"], ["confidence"], axes=[1], keepdims=1),
        helper.make_node("Add", ["square", "farthest"], ["depth"]),
    ]
    outputs = [values.pop("depth"), values.pop("confidence")]
    graph = helper.make_graph(nodes, "refinement", list(values.values()), outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "refinement.onnx")
    np.savez(folder / "golden.npz", unused=np.zeros(1))
    files = ("mde.onnx", "refinement.onnx", "golden.npz")
    manifest = {
        "schema": 1,
        "name": "drawn",
        "version": "1",
        "mde": {"file": "mde.onnx", **SIZES},
        "refinement": {"file": "refinement.onnx", "multiple": 8, "minimum": 16, "maximum": 2048},
        "golden": {"file": "golden.npz", "tolerance": 1e-3},
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files},
    }
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return folder


def test_a_bundle_gives_what_it_gives_at_run_time(photos: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    assert cache_relative_depth(photos, bundle, tmp_path / "cache", threads=1).computed == 3
    photo = photos / "b" / "two.png"
    path = relative_depth_path(tmp_path / "cache", Mde.from_bundle(bundle), photos, photo)
    image = np.ascontiguousarray(cv2.imread(str(photo))[..., ::-1])
    sparse = np.full(image.shape[:2], 2.0, np.float32)
    expected = DepthCompleter.from_bundle(bundle, threads=1).complete(image, sparse).relative_depth
    cached = read_relative_depth(path, image.shape[:2])
    np.testing.assert_allclose(cached, expected, atol=2e-3 * np.ptp(expected))


def test_an_interrupted_run_continues(
    mde: Mde,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runs: list[tuple[int, ...]],
) -> None:
    counting = MdeRunner.relative_depth

    def interrupted(self: MdeRunner, image: np.ndarray) -> np.ndarray:
        if len(runs) == 2:
            raise KeyboardInterrupt
        return counting(self, image)

    with monkeypatch.context() as patch:
        patch.setattr(MdeRunner, "relative_depth", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache_relative_depth(photos, mde, tmp_path / "cache")
    assert len(runs) == 2
    assert cache_relative_depth(photos, mde, tmp_path / "cache") == CacheReport(1, 2, ())
    assert cache_relative_depth(photos, mde, tmp_path / "cache") == CacheReport(0, 3, ())
    assert len(runs) == 3


def test_a_write_that_was_cut_off_leaves_nothing(
    mde: Mde, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache_relative_depth(photos, mde, tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_unreadable_photographs_are_named_and_counted(
    mde: Mde, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "a" / "empty.jpg").write_bytes(b"")
    whole = (photos / "b" / "two.png").read_bytes()
    (photos / "b" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "b" / "gone.png").symlink_to(photos / "nowhere.png")
    with caplog.at_level(logging.WARNING):
        report = cache_relative_depth(photos, mde, tmp_path / "cache")
    assert report.computed == 3
    assert [path.name for path, _ in report.failed] == ["empty.jpg", "cut.png", "gone.png"]
    assert str(report) == "3 computed, 0 from the cache, 3 failed"
    for (path, reason), record in zip(report.failed, caplog.records, strict=True):
        assert str(path) in reason
        assert str(path) in record.getMessage()


def test_a_changed_photograph_is_computed_again(mde: Mde, photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache_relative_depth(photos, mde, cache)
    cv2.imwrite(str(photos / "b" / "two.png"), np.full((60, 60, 3), 51, np.uint8))
    assert cache_relative_depth(photos, mde, cache) == CacheReport(1, 2, ())
    path = relative_depth_path(cache, mde, photos, photos / "b" / "two.png")
    np.testing.assert_allclose(read_relative_depth(path), 0.2, atol=1e-6)


@pytest.mark.parametrize("damage", ["empty", "cut", "pickle", "other"])
def test_a_damaged_entry_is_computed_again(
    mde: Mde, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    cache = tmp_path / "cache"
    cache_relative_depth(photos, mde, cache)
    path = relative_depth_path(cache, mde, photos, photos / "b" / "two.png")
    before = read_relative_depth(path)
    if damage in ("empty", "cut"):
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else 500])
    elif damage == "pickle":
        np.savez(path, relative_depth=np.array([{}], dtype=object))
    else:
        np.savez(path, labels=np.zeros(3))
    with pytest.raises(FileError, match="holds no relative depth"):
        read_relative_depth(path)
    assert cache_relative_depth(photos, mde, cache) == CacheReport(1, 2, ())
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]
    np.testing.assert_array_equal(read_relative_depth(path), before)


def test_two_mdes_do_not_mix(mde: Mde, photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    other = Mde.from_onnx(save_mde(tmp_path / "other.onnx", factor=-1.0), **SIZES)
    finer = Mde.from_onnx(mde.engine.path, **{**SIZES, "pixels": 40_000})
    for one in (mde, other, finer):
        assert cache_relative_depth(photos, one, cache).computed == 3
    photo = photos / "b" / "two.png"
    first, second, third = (
        read_relative_depth(relative_depth_path(cache, one, photos, photo))
        for one in (mde, other, finer)
    )
    np.testing.assert_allclose(first, -second, atol=1e-3)
    assert third.size > 3 * first.size


@pytest.mark.parametrize(("factor", "offset"), [(1e6, 0.0), (1e-9, 0.0), (50.0, 1e5), (0.0, 7.0)])
def test_any_scale_and_offset_survives_the_cache(
    photos: Path, tmp_path: Path, factor: float, offset: float
) -> None:
    mde = Mde.from_onnx(save_mde(tmp_path / "far.onnx", factor, offset), **SIZES)
    cache_relative_depth(photos, mde, tmp_path / "cache")
    photo = photos / "b" / "two.png"
    image = np.ascontiguousarray(cv2.imread(str(photo))[..., ::-1])
    expected = MdeRunner(mde).relative_depth(image)
    cached = read_relative_depth(relative_depth_path(tmp_path / "cache", mde, photos, photo))
    assert (
        np.abs(cached - expected).max() <= 5e-4 * np.ptp(expected) + 1e-7 * np.abs(expected).max()
    )


def test_says_what_is_wrong_with_the_input(mde: Mde, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="no photographs"):
        cache_relative_depth(tmp_path / "none", mde, tmp_path / "cache")
    with pytest.raises(BundleNotFoundError, match="cannot be read"):
        Mde.from_onnx(tmp_path / "nowhere.onnx", **SIZES)
    with pytest.raises(ValueError, match="multiples of 14"):
        Mde.from_onnx(mde.engine.path, **{**SIZES, "minimum": 30})


def test_refuses_an_mde_that_breaks_the_contract(photos: Path, tmp_path: Path) -> None:
    named = Mde.from_onnx(save_mde(tmp_path / "named.onnx", output="depth"), **SIZES)
    with pytest.raises(BundleGraphError, match=r"\['depth'\], expected"):
        cache_relative_depth(photos, named, tmp_path / "cache")
    infinite = Mde.from_onnx(save_mde(tmp_path / "infinite.onnx", factor=float("inf")), **SIZES)
    with pytest.raises(BundleGraphError, match="not finite"):
        cache_relative_depth(photos, infinite, tmp_path / "cache")
    bundle = write_bundle(tmp_path / "bundle")
    with (bundle / "mde.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleIntegrityError):
        cache_relative_depth(photos, bundle, tmp_path / "cache")
