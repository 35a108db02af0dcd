"""Model bundles are found, verified and read."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from starrygazer_ros.completion import (
    BundleIntegrityError,
    BundleManifestError,
    BundleNotFoundError,
    ModelBundle,
)
from starrygazer_ros.completion.bundle import mde_input_size


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edit(bundle: Path, **entries: object) -> None:
    manifest = yaml.safe_load((bundle / "manifest.yaml").read_text())
    (bundle / "manifest.yaml").write_text(yaml.safe_dump({**manifest, **entries}))


def test_reads_a_bundle_from_its_folder(bundle: Path) -> None:
    loaded = ModelBundle.load(bundle)
    assert loaded.path == bundle
    assert loaded.mde.path.is_file()
    assert loaded.refinement.path.is_file()
    golden = loaded.golden()
    assert golden.image.shape[:2] == golden.depth.shape == golden.sparse_depth.shape


def test_finds_an_installed_bundle_by_name(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "install" / "share" / "starrygazer_ros" / "models"
    shutil.copytree(bundle, models / "mine")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "install"))
    assert ModelBundle.load("mine").path == models / "mine"


def test_says_where_it_looked_for_an_unknown_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/some/prefix")
    with pytest.raises(BundleNotFoundError, match="/some/prefix/share/starrygazer_ros/models/none"):
        ModelBundle.load("none")


@pytest.mark.parametrize("name", ["mde.onnx", "refinement.onnx", "golden.npz"])
def test_refuses_a_tampered_file(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(BundleIntegrityError, match=name):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("name", ["mde.onnx", "refinement.onnx", "golden.npz"])
def test_refuses_a_missing_file(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleNotFoundError, match=name):
        ModelBundle.load(bundle)


@pytest.mark.parametrize(
    "text",
    ["", "just text", "schema: 99", "a: [", "schema: 1", "schema: 2001-99-99", "schema: [" * 5000],
)
def test_refuses_a_manifest_it_cannot_understand(bundle: Path, text: str) -> None:
    (bundle / "manifest.yaml").write_text(text)
    with pytest.raises(BundleManifestError, match="manifest"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize(
    ("schema", "advice"),
    [
        (0, "has schema 0, which this .* reads no more: export the bundle again, for schema 1"),
        (2, "has schema 2, this starrygazer_ros knows 1: update starrygazer_ros"),
        ("one", "is no manifest of a model bundle: the key 'schema' with a number is missing"),
        (None, "the key 'schema' with a number is missing"),
    ],
)
def test_a_manifest_of_another_schema_says_what_to_update(
    bundle: Path, schema: object, advice: str
) -> None:
    edit(bundle, schema=schema)
    with pytest.raises(BundleManifestError, match=advice):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("name", [".", "manifest.yaml", "mde.onnx"])
def test_refuses_what_everybody_may_write(bundle: Path, name: str) -> None:
    path = bundle / name
    path.chmod(path.stat().st_mode | 0o002)
    with pytest.raises(BundleIntegrityError, match=f"chmod o-w {path}"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("name", [".", "manifest.yaml", "refinement.onnx"])
def test_refuses_what_belongs_to_somebody_else(bundle: Path, name: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(bundle / name, 12345, -1)
    with pytest.raises(BundleIntegrityError, match=r"uid 12345.* copy the bundle"):
        ModelBundle.load(bundle)


def test_takes_links_to_files_of_ones_own(bundle: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in bundle.iterdir():
        (linked / path.name).symlink_to(path)
    assert ModelBundle.load(linked).mde.path.is_symlink()
    (bundle / "mde.onnx").chmod(0o666)
    with pytest.raises(BundleIntegrityError, match="can be written by everybody"):
        ModelBundle.load(linked)


def test_refuses_a_manifest_that_is_not_text(bundle: Path) -> None:
    (bundle / "manifest.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BundleManifestError):
        ModelBundle.load(bundle)


def test_refuses_an_engine_without_a_hash(bundle: Path) -> None:
    hashes = yaml.safe_load((bundle / "manifest.yaml").read_text())["files"]
    del hashes["mde.onnx"]
    edit(bundle, files=hashes)
    with pytest.raises(BundleManifestError, match=r"mde\.onnx has no hash"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("multiple", [0, -32, "many"])
def test_refuses_a_size_multiple_that_makes_no_sense(bundle: Path, multiple: object) -> None:
    entry = yaml.safe_load((bundle / "manifest.yaml").read_text())["mde"]
    edit(bundle, mde={**entry, "multiple": multiple})
    with pytest.raises(BundleManifestError):
        ModelBundle.load(bundle)


@pytest.mark.parametrize(
    ("image", "expected"),
    [((480, 640), (224, 288)), ((352, 1216), (128, 480)), ((33, 4096), (64, 2848))],
)
def test_mde_sees_the_image_in_its_aspect_ratio_within_the_limits(
    image: tuple[int, int], expected: tuple[int, int]
) -> None:
    limits = {"pixels": 65536, "multiple": 32, "minimum": 64, "maximum": 4096}
    assert mde_input_size(*image, **limits) == expected


@pytest.mark.parametrize("pixels", [0, -5, 1.5, float("inf"), 10**12, 10**400, "many"])
def test_refuses_a_number_of_pixels_that_makes_no_sense(bundle: Path, pixels: object) -> None:
    entry = yaml.safe_load((bundle / "manifest.yaml").read_text())["mde"]
    edit(bundle, mde={**entry, "pixels": pixels})
    with pytest.raises(BundleManifestError):
        ModelBundle.load(bundle)


def test_refuses_mde_limits_that_the_mde_does_not_take(bundle: Path) -> None:
    entry = yaml.safe_load((bundle / "manifest.yaml").read_text())["mde"]
    edit(bundle, mde={**entry, "multiple": 14, "minimum": 100})
    with pytest.raises(BundleManifestError, match="multiples of 14"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("key", ["minimum", "maximum", "multiple"])
@pytest.mark.parametrize("engine", ["mde", "refinement"])
def test_refuses_sizes_for_which_images_would_need_gigabytes(
    bundle: Path, engine: str, key: str
) -> None:
    entry = yaml.safe_load((bundle / "manifest.yaml").read_text())[engine]
    edit(bundle, **{engine: {**entry, key: 14_000_000}})
    with pytest.raises(BundleManifestError, match="14000000 is not a whole number from 1 to"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("tolerance", [float("inf"), float("nan"), 0, -1])
def test_refuses_a_tolerance_with_which_nothing_would_be_checked(
    bundle: Path, tolerance: float
) -> None:
    edit(bundle, golden={"file": "golden.npz", "tolerance": tolerance})
    with pytest.raises(BundleManifestError, match="is no tolerance"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("name", [["a"], {"a": 1}, None, "", "x" * 300])
def test_refuses_a_name_that_is_none(bundle: Path, name: object) -> None:
    edit(bundle, name=name)
    with pytest.raises(BundleManifestError, match="is no name or version"):
        ModelBundle.load(bundle)


def golden_error(bundle: Path) -> str:
    """What is said of a golden pair whose hash is right."""
    hashes = yaml.safe_load((bundle / "manifest.yaml").read_text())["files"]
    sha256 = hashlib.sha256((bundle / "golden.npz").read_bytes()).hexdigest()
    edit(bundle, files={**hashes, "golden.npz": sha256})
    with pytest.raises(BundleManifestError, match="no golden pair") as caught:
        ModelBundle.load(bundle).golden()
    return str(caught.value)


def test_refuses_a_golden_file_without_the_golden_pair(bundle: Path) -> None:
    np.savez(bundle / "golden.npz", image=np.zeros(3))
    golden_error(bundle)
    (bundle / "golden.npz").write_bytes(b"PK and no archive")
    golden_error(bundle)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"image": np.zeros((64, 96, 3))}, "image is float64"),
        ({"image": np.zeros((64, 96), np.uint8)}, "not uint8"),
        ({"depth": np.ones((64, 95), np.float32)}, "not as the image"),
        ({"sparse_depth": np.ones((64, 96))}, "not as the image"),
        ({"depth": np.zeros((64, 96), np.float32)}, "depth is 0"),
        ({"sparse_depth": np.full((64, 96), np.inf, np.float32)}, "not finite"),
        ({"sparse_depth": np.zeros((64, 96), np.float32)}, "no points"),
    ],
)
def test_refuses_a_golden_pair_that_cannot_be_compared(
    bundle: Path, wrong: dict[str, np.ndarray], reason: str
) -> None:
    with np.load(bundle / "golden.npz", allow_pickle=False) as arrays:
        good = {name: arrays[name] for name in arrays.files}
    np.savez(bundle / "golden.npz", **{**good, **wrong})
    assert reason in golden_error(bundle)


def test_refuses_a_golden_pair_that_grows_a_thousandfold_when_it_is_read(bundle: Path) -> None:
    np.savez_compressed(bundle / "golden.npz", image=np.zeros((64 << 20) + 1, np.uint8))
    assert "allowed are 67,108,864" in golden_error(bundle)


def test_an_unknown_home_folder_is_a_bundle_that_is_not_there() -> None:
    with pytest.raises(BundleNotFoundError, match="~nosuchuser"):
        ModelBundle.load("~nosuchuser/bundle")


def test_refuses_a_file_outside_the_bundle(bundle: Path) -> None:
    hashes = yaml.safe_load((bundle / "manifest.yaml").read_text())["files"]
    edit(bundle, files={**hashes, "../outside": "0" * 64})
    with pytest.raises(BundleManifestError, match="outside"):
        ModelBundle.load(bundle)


def add_fp16(bundle: Path, **entry: str) -> None:
    """Copies of the graphs as those in float16."""
    hashes = yaml.safe_load((bundle / "manifest.yaml").read_text())["files"]
    for name in ("mde", "refinement"):
        shutil.copy(bundle / f"{name}.onnx", bundle / f"{name}.fp16.onnx")
        hashes[f"{name}.fp16.onnx"] = hashes[f"{name}.onnx"]
    files = {"mde": "mde.fp16.onnx", "refinement": "refinement.fp16.onnx", **entry}
    edit(bundle, files=hashes, fp16=files)


def test_a_bundle_without_float16_graphs_has_none(bundle: Path) -> None:
    assert ModelBundle.load(bundle).fp16 is None


def test_float16_graphs_take_the_sizes_of_the_others(bundle: Path) -> None:
    add_fp16(bundle)
    loaded = ModelBundle.load(bundle)
    assert loaded.fp16 is not None
    assert loaded.mde.path.name == "mde.onnx"
    assert loaded.fp16.mde.path.name == "mde.fp16.onnx"
    assert loaded.fp16.refinement.path.name == "refinement.fp16.onnx"
    assert loaded.fp16.refinement.maximum == loaded.refinement.maximum
    assert loaded.fp16.mde_size(480, 640) == loaded.mde_size(480, 640)
    assert loaded.fp16.golden_tolerance == loaded.golden_tolerance


def test_refuses_a_tampered_float16_graph(bundle: Path) -> None:
    add_fp16(bundle)
    (bundle / "mde.fp16.onnx").write_bytes(b"changed")
    with pytest.raises(BundleIntegrityError, match=r"mde\.fp16\.onnx"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("file", ["elsewhere.onnx", "../mde.onnx"])
def test_refuses_a_float16_graph_without_a_hash(bundle: Path, file: str) -> None:
    add_fp16(bundle, mde=file)
    with pytest.raises(BundleManifestError, match="has no hash"):
        ModelBundle.load(bundle)


@pytest.mark.parametrize("entry", [None, "yes", ["mde.onnx"], {"mde": "mde.onnx"}])
def test_refuses_float16_graphs_that_are_not_both_named(bundle: Path, entry: object) -> None:
    edit(bundle, fp16=entry)
    with pytest.raises(BundleManifestError, match="export the bundle again"):
        ModelBundle.load(bundle)
