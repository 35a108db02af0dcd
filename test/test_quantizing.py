"""A bundle that also computes in int8, calibrated on two small frames."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("onnx.compose", reason="onnx is needed: see requirements/")
pytest.importorskip("skimage", reason="the frames are of scikit-image's photograph")

from starrygazer_ros.backends import FP32, INT8, ONNXRUNTIME
from starrygazer_ros.backends.cpu import multiplies_int8
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.cli import main
from starrygazer_ros.completion import (
    BackendUnavailableError,
    BundleManifestError,
    DepthCompleter,
    ModelBundle,
    SelfCheckError,
    selection,
)
from starrygazer_ros.demo.photographs import motorcycle
from starrygazer_ros.demo.scan_lines import scan_lines

IN_FP32, IN_INT8 = EngineOptions(precision=FP32), EngineOptions(precision=INT8)


@pytest.fixture(scope="module")
def frames():
    """Image and sparse depth of the photograph at a quarter of its size."""
    photograph = motorcycle()
    sparse_depth = scan_lines(photograph.depth, 64, photograph.intrinsics)
    rows, columns = (np.arange(0, side, 4) for side in sparse_depth.shape)
    small = np.ascontiguousarray(photograph.image[rows][:, columns])
    filled = cv2.resize(cv2.dilate(sparse_depth, np.ones((9, 9))), small.shape[1::-1], None, 0, 0)
    return [(small, filled), (small[:, ::-1].copy(), filled[:, ::-1].copy())]


@pytest.fixture(scope="module")
def folder(frames, tmp_path_factory):
    made = tmp_path_factory.mktemp("frames")
    for name in ("image", "sparse"):
        (made / name).mkdir()
    for number, (image, sparse_depth) in enumerate(frames):
        cv2.imwrite(str(made / "image" / f"{number}.png"), image[..., ::-1])
        np.save(made / "sparse" / f"{number}.npy", sparse_depth)
    return made


@pytest.fixture(scope="module")
def quantized(folder, tmp_path_factory):
    bundle = tmp_path_factory.mktemp("models") / "small"
    assert main(["models", "quantize", "default", str(bundle), "--frames", str(folder)]) == 0
    return bundle


def copy(quantized, tmp_path, **int8):
    """The bundle with other words about its graphs in int8."""
    shutil.copytree(quantized, tmp_path / "copy")
    path = tmp_path / "copy" / "manifest.yaml"
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    manifest["int8"] = {**manifest["int8"], **int8}
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return tmp_path / "copy"


def test_computes_nearly_the_same_in_int8_and_says_so(quantized, frames, folder):
    plain = DepthCompleter.from_bundle(quantized, ONNXRUNTIME, options=IN_FP32)
    in_int8 = DepthCompleter.from_bundle(quantized, ONNXRUNTIME, options=IN_INT8)
    assert in_int8.backend_description == plain.backend_description.replace("fp32", "int8")
    assert in_int8.bundle.refinement.sha256 != plain.bundle.refinement.sha256
    assert plain.self_check() < 1e-5  # another CPU rounds otherwise
    assert 0 < in_int8.self_check() <= in_int8.bundle.golden_tolerance
    depths = [completer.complete(*frames[0]).depth for completer in (plain, in_int8)]
    difference = np.abs(depths[1] - depths[0]) / depths[0]
    assert 0 < np.mean(difference) < 0.01
    manifest = yaml.safe_load((quantized / "manifest.yaml").read_text(encoding="utf-8"))
    assert manifest["int8"]["calibrated_on"] == f"2 frames of {folder.name}"
    smaller = quantized / manifest["int8"]["refinement"]
    assert smaller.stat().st_size < 0.4 * plain.bundle.refinement.path.stat().st_size


@pytest.mark.parametrize("fast", [True, False])
def test_auto_takes_it_where_the_cpu_multiplies_bytes_fast(quantized, monkeypatch, fast):
    monkeypatch.setattr(selection, "multiplies_int8", lambda: fast)
    completer = DepthCompleter.from_bundle(quantized, ONNXRUNTIME)
    assert completer.backend_description.endswith(", int8") == fast
    assert not completer.backend_warnings


def test_auto_takes_fp32_where_int8_computes_something_else_and_warns(
    quantized, tmp_path, monkeypatch
):
    monkeypatch.setattr(selection, "multiplies_int8", lambda: True)
    completer = DepthCompleter.from_bundle(copy(quantized, tmp_path, tolerance=1e-5), ONNXRUNTIME)
    assert "int8" not in completer.backend_description
    assert completer.backend_warnings[0].startswith("onnxruntime runs in fp32, not in int8: ")
    assert completer.self_check() == pytest.approx(0, abs=1e-3)


def test_one_that_computes_something_else_is_refused(quantized, tmp_path):
    with pytest.raises(SelfCheckError, match=r"int8 differs .* \(allowed 1e-05"):
        DepthCompleter.from_bundle(
            copy(quantized, tmp_path, tolerance=1e-5), ONNXRUNTIME, options=IN_INT8
        )


@pytest.mark.parametrize("int8", [{"tolerance": "small"}, {"refinement": "other.onnx"}])
def test_a_manifest_that_does_not_describe_it_is_refused(quantized, tmp_path, int8):
    with pytest.raises(BundleManifestError):
        ModelBundle.load(copy(quantized, tmp_path, **int8))


def test_a_bundle_without_int8_says_how_to_get_it(tiny_bundle):
    with pytest.raises(BackendUnavailableError, match="starrygazer models quantize"):
        DepthCompleter.from_bundle(tiny_bundle, ONNXRUNTIME, options=IN_INT8)


def test_a_folder_that_exists_or_has_no_frames_is_told(quantized, folder, tmp_path, capsys):
    command = ["models", "quantize", "default"]
    assert main([*command, str(quantized), "--frames", str(folder)]) == 2
    assert "exists" in capsys.readouterr().err
    (tmp_path / "image").mkdir()
    shutil.copy(folder / "image" / "0.png", tmp_path / "image" / "other.png")
    assert main([*command, str(tmp_path / "new"), "--frames", str(tmp_path)]) == 2
    assert "put images into" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_shipped_bundle_passes_in_int8_where_the_cpu_multiplies_it(frames):
    if not multiplies_int8():
        pytest.skip("int8 may saturate on a CPU without dot products of it")
    completer = DepthCompleter.from_bundle("default", ONNXRUNTIME, options=IN_INT8)
    assert completer.self_check() <= completer.bundle.golden_tolerance
    plain = DepthCompleter.from_bundle("default", ONNXRUNTIME, options=IN_FP32)
    plain = plain.complete(*frames[0]).depth
    difference = np.abs(completer.complete(*frames[0]).depth - plain) / plain
    assert np.mean(difference) < 0.01
