from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("openvino", reason="see make test-gpu-code")

from bundles import expected_depth
from robustness.disks import NO_NAMESPACES, Disk, can_make_disks
from starrygazer_ros.backends import load_engine
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import BackendUnavailableError, DepthCompleter


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_completes_as_the_reference_does():
    exact = EngineOptions(precision="fp32")
    reference = DepthCompleter.from_bundle("default", "onnxruntime", options=exact)
    completer = DepthCompleter.from_bundle("default", "openvino", options=exact)
    assert completer.backend_description.startswith("openvino 20")
    assert completer.backend_description.endswith("CPU, 2 threads, fp32")
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (120, 200, 3), dtype=np.uint8)
    sparse_depth = np.where(random.uniform(size=(120, 200)) < 0.05, np.float32(4), np.float32(0))
    expected = reference.complete(image, sparse_depth)
    result = completer.complete(image, sparse_depth)
    np.testing.assert_allclose(result.depth, expected.depth, rtol=1e-3)
    np.testing.assert_allclose(result.confidence, expected.confidence, atol=1e-3)


def test_inputs_that_a_graph_does_not_read_may_be_missing():
    completer = DepthCompleter.from_bundle("instant", "openvino")
    assert "image" not in completer.pipeline.inner.refinement.inputs
    assert completer.self_check() < 1e-3
    image, sparse_depth = np.zeros((120, 200, 3), np.uint8), np.zeros((120, 200), np.float32)
    sparse_depth[::9, ::9] = 3
    assert completer.complete(image, sparse_depth).depth == pytest.approx(3, rel=1e-3)


def test_computes_in_int8_what_the_reference_does_nearly():
    in_int8 = EngineOptions(precision="int8")
    completer = DepthCompleter.from_bundle("default", "openvino", options=in_int8)
    assert completer.backend_description.endswith("CPU, 2 threads, int8")
    assert 0 < completer.self_check() <= completer.bundle.golden_tolerance


def test_results_are_the_users_own(tiny_bundle):
    completer = DepthCompleter.from_bundle(tiny_bundle, "openvino", 1)
    sparse_depth = np.zeros((48, 64), np.float32)
    sparse_depth[::8, ::8] = 3
    first, second = (
        completer.complete(np.full((48, 64, 3), grey, np.uint8), sparse_depth).depth
        for grey in (51, 204)
    )
    np.testing.assert_allclose(first, expected_depth(sparse_depth, 51), rtol=1e-4)
    np.testing.assert_allclose(second, expected_depth(sparse_depth, 204), rtol=1e-4)


def test_auto_takes_it_before_onnx_runtime_and_says_why_not_tensorrt(tiny_bundle):
    completer = DepthCompleter.from_bundle(tiny_bundle, "auto", 1)
    assert completer.backend_description.startswith("openvino")
    assert [note.split(":")[0] for note in completer.backend_notes] == ["tensorrt", "tensorrt_rtx"]


def test_images_of_several_sizes_may_come_in_turn(tiny_bundle):
    completer = DepthCompleter.from_bundle(tiny_bundle, "openvino", 1)
    for height in (48, 64, 48, 72, 80, 96, 48):
        sparse_depth = np.zeros((height, 64), np.float32)
        sparse_depth[::8, ::8] = height / 10
        depth = completer.complete(np.full((height, 64, 3), 51, np.uint8), sparse_depth).depth
        np.testing.assert_allclose(depth, height / 10 * 1.2, rtol=1e-4)


def test_keeps_its_compiled_models_in_the_users_cache(tiny_bundle, tmp_path):
    DepthCompleter.from_bundle(tiny_bundle, "openvino", 1)
    assert list((tmp_path / "starrygazer_ros" / "openvino").iterdir())


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_a_precision_that_a_cpu_does_not_have_is_refused(tiny_bundle, precision):
    options = EngineOptions(precision=precision)
    if precision == "fp32":
        DepthCompleter.from_bundle(tiny_bundle, "openvino", 1, options=options)
        return
    with pytest.raises(BackendUnavailableError, match="fp32 or bf16 or int8 on a CPU, not in fp16"):
        DepthCompleter.from_bundle(tiny_bundle, "openvino", 1, options=options)
    with pytest.raises(BackendUnavailableError, match="ONNX Runtime computes in fp32"):
        DepthCompleter.from_bundle(tiny_bundle, "onnxruntime", 1, options=options)


def test_a_graph_that_it_cannot_read_is_named():
    with pytest.raises(BackendUnavailableError, match=r"OpenVINO cannot load .*bad\.onnx"):
        load_engine(b"no graph", "bad.onnx", "openvino", 1)


COMPLETE = """
import sys
from starrygazer_ros.completion import DepthCompleter

completer = DepthCompleter.from_bundle(sys.argv[1], "openvino", 1)
completer.self_check()
print(*completer.backend_warnings, sep="\\n")
"""


@pytest.mark.skipif(not can_make_disks(), reason=NO_NAMESPACES)
@pytest.mark.parametrize(
    ("options", "reason", "kept"),
    [("size=4k", "no room", 1), ("ro", "Read-only file system", 0)],  # one of the two is tiny
)
def test_a_full_or_read_only_cache_is_warned_of_once_and_depth_is_there(
    tiny_bundle, tmp_path, options, reason, kept
):
    with Disk(tmp_path, options) as disk:
        command = ("-c", COMPLETE, str(tiny_bundle))
        broken = disk.python(*command, XDG_CACHE_HOME=str(tmp_path))
        assert broken.returncode == 0, broken.stderr
        assert broken.stdout.count("compiled models cannot be kept in") == 1
        assert f"({reason}): each start compiles them anew" in broken.stdout
        assert len(disk.files()) == kept
        disk.make_room()
        for _ in range(2):  # written, then read
            mended = disk.python(*command, XDG_CACHE_HOME=str(tmp_path))
            assert (mended.returncode, mended.stdout) == (0, "\n"), mended.stderr
            assert len(disk.files()) == 2
