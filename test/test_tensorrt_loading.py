"""The whole path of TensorRT, build to depth, with ONNX Runtime in the place of the GPU."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

pytest.importorskip(
    "torch", reason="PyTorch holds the GPU's memory: make test-gpu-code installs it"
)
pytest.importorskip("filelock", reason="needed by the cache of plans")

from fake_tensorrt import FakeTensorRt, HostDevice

from bundles import expected_depth
from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.backends.tensorrt.building import BuildError
from starrygazer_ros.backends.tensorrt.loading import _shapes, load_pipeline
from starrygazer_ros.backends.tensorrt.plan_cache import PlanCache
from starrygazer_ros.backends.tensorrt.platform import Gpu, Platform
from starrygazer_ros.completion import (
    BackendUnavailableError,
    InferenceError,
    ModelBundle,
    SelfCheckError,
)
from starrygazer_ros.completion.stage_clock import StageClock

ORIN = Gpu("Orin", "8.7", 16, "12.6", "12.6")
OPTIONS = EngineOptions(max_height=480, max_width=640)


@pytest.fixture
def cache(tmp_path):
    return PlanCache(tmp_path / "plans")


@pytest.fixture
def bundle(tiny_bundle):
    return ModelBundle.load(tiny_bundle)


@pytest.fixture
def half_bundle(tiny_bundle, tmp_path):
    """The tiny bundle with graphs that say that they are in fp16."""
    folder = tmp_path / "half"
    shutil.copytree(tiny_bundle, folder)
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    for name in ("mde", "refinement"):
        graph = onnx.load(folder / f"{name}.onnx")
        onnx.helper.set_model_props(graph, {"precision": "fp16"})
        onnx.save(graph, folder / f"{name}.fp16.onnx")
        content = (folder / f"{name}.fp16.onnx").read_bytes()
        manifest["files"][f"{name}.fp16.onnx"] = hashlib.sha256(content).hexdigest()
    manifest["fp16"] = {"mde": "mde.fp16.onnx", "refinement": "refinement.fp16.onnx"}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    return ModelBundle.load(folder)


def load(bundle, cache, trt=None, gpu=ORIN, precision="auto", device=HostDevice, options=OPTIONS):
    said = []
    platform = Platform(trt or FakeTensorRt(), gpu, device)
    options = replace(options, precision=precision)
    loaded = load_pipeline(bundle, platform, options, said.append, cache)
    return loaded, said


def pair(height=48, width=64, grey=51):
    image = np.full((height, width, 3), grey, np.uint8)
    sparse = np.zeros((height, width), np.float32)
    sparse[::7, ::5] = np.random.default_rng(0).uniform(2, 5, sparse[::7, ::5].shape)
    return image, sparse


def test_builds_both_engines_and_completes(bundle, cache):
    trt = FakeTensorRt()
    loaded, said = load(bundle, cache, trt)
    assert len(trt.builds) == 2
    assert any("takes seconds to minutes, once" in line for line in said)
    assert loaded.pipeline.description == "tensorrt 10.3.0, Orin, fp32"
    assert loaded.warnings == ()
    image, sparse = pair()
    clock = StageClock()
    prediction = loaded.pipeline.run(image, sparse, clock)
    assert prediction.depth.shape == image.shape[:2]
    np.testing.assert_allclose(prediction.depth, expected_depth(sparse), rtol=1e-5)
    np.testing.assert_allclose(prediction.confidence, 0.2, rtol=1e-5)
    assert set(clock.timings("")) == {"upload", "engines", "download", "total"}


@pytest.mark.parametrize("size", [(48, 64), (50, 61), (33, 90)])
def test_computes_what_the_host_computes_at_any_size(bundle, cache, size):
    """Resized, padded and chained on the device as HostPipeline does it."""
    from starrygazer_ros.completion.selection import select_pipeline

    random = np.random.default_rng(1)
    image = random.integers(20, 256, (*size, 3), dtype=np.uint8)
    _, sparse = pair(*size)
    host = select_pipeline(bundle, "onnxruntime", 1).pipeline.run(image, sparse, StageClock())
    made = load(bundle, cache)[0].pipeline.run(image, sparse, StageClock())
    # OpenCV interpolates 8-bit images in fixed point: half a level of 255.
    np.testing.assert_allclose(made.relative_depth, host.relative_depth, atol=2 / 255)
    np.testing.assert_allclose(made.depth, host.depth, rtol=2 / 255)
    np.testing.assert_allclose(made.confidence, host.confidence, atol=1e-6)


def test_only_what_is_wanted_comes_back(bundle, cache):
    pipeline = load(bundle, cache)[0].pipeline
    assert pipeline.run(*pair(), StageClock(), relative_depth=False).relative_depth is None
    assert pipeline.run(*pair(), StageClock()).relative_depth.shape == (48, 64)


def test_results_are_the_users_own(bundle, cache):
    pipeline = load(bundle, cache)[0].pipeline
    first = pipeline.run(*pair(grey=51), StageClock()).depth
    before = first.copy()
    pipeline.run(*pair(grey=204), StageClock())
    np.testing.assert_array_equal(first, before)


def test_the_second_image_of_a_size_is_recorded_and_the_next_ones_are_replayed(bundle, cache):
    devices = []

    def make():
        devices.append(HostDevice())
        return devices[-1]

    pipeline = load(bundle, cache, device=make)[0].pipeline
    (device,) = devices
    for grey in (51, 102, 153, 204):
        image, sparse = pair(grey=grey)
        depth = pipeline.run(image, sparse, StageClock()).depth
        np.testing.assert_allclose(depth, expected_depth(sparse, grey), rtol=1e-5)
    assert (device.captured, device.replayed) == (1, 3)
    image, sparse = pair(32, 64)
    np.testing.assert_allclose(
        pipeline.run(image, sparse, StageClock()).depth, expected_depth(sparse), rtol=1e-5
    )
    assert (device.captured, device.replayed) == (1, 3)  # another size is not replayed


def test_what_cannot_be_recorded_is_run_every_time(bundle, cache):
    pipeline = load(bundle, cache, device=lambda: HostDevice(recordable=False))[0].pipeline
    for grey in (51, 102, 153):
        image, sparse = pair(grey=grey)
        depth = pipeline.run(image, sparse, StageClock()).depth
        np.testing.assert_allclose(depth, expected_depth(sparse, grey), rtol=1e-5)


def test_a_second_start_builds_nothing(bundle, cache):
    load(bundle, cache)
    trt = FakeTensorRt()
    _, said = load(bundle, cache, trt)
    assert trt.builds == []
    assert said == []


@pytest.mark.parametrize(
    ("version", "gpu", "options"),
    [
        ("10.4.0", ORIN, OPTIONS),
        ("10.3.0", replace(ORIN, name="Orin Nano"), OPTIONS),
        ("10.3.0", replace(ORIN, driver="12.9"), OPTIONS),
        ("10.3.0", ORIN, replace(OPTIONS, max_height=640)),
        ("10.3.0", ORIN, replace(OPTIONS, workspace_mib=64)),
    ],
)
def test_another_version_gpu_or_option_is_built_anew(bundle, cache, version, gpu, options):
    load(bundle, cache)
    trt = FakeTensorRt(version)
    load(bundle, cache, trt, gpu, options=options)
    assert trt.builds
    assert len(cache.plans()) > 2


def test_a_damaged_plan_is_put_away_and_built_anew(bundle, cache):
    load(bundle, cache)
    for plan in cache.folder.glob("*.plan"):
        plan.write_bytes(plan.read_bytes()[:-5])
    trt = FakeTensorRt()
    load(bundle, cache, trt)
    assert len(trt.builds) == 2
    assert len(list(cache.folder.glob("*.plan.bad"))) == 2
    reasons = [json.loads(p.read_text())["quarantined"] for p in cache.folder.glob("*.json.bad")]
    assert reasons == ["the file was changed or cut off"] * 2


def test_a_plan_that_tensorrt_does_not_take_is_built_anew(bundle, cache):
    """As after an upgrade that left the version as it was."""
    load(bundle, cache)
    for plan in cache.folder.glob("*.plan"):
        foreign = b"NALP" + plan.read_bytes()[4:]
        plan.write_bytes(foreign)
        sidecar = plan.with_suffix(".json")
        about = json.loads(sidecar.read_text())
        about["sha256"] = hashlib.sha256(foreign).hexdigest()
        sidecar.write_text(json.dumps(about))
    trt = FakeTensorRt()
    loaded, said = load(bundle, cache, trt)
    assert len(trt.builds) == 2
    assert sum("it is built anew" in line for line in said) == 2
    image, sparse = pair()
    depth = loaded.pipeline.run(image, sparse, StageClock()).depth
    np.testing.assert_allclose(depth, expected_depth(sparse), rtol=1e-5)


def test_takes_fp16_where_the_bundle_has_it(half_bundle, cache):
    loaded, _ = load(half_bundle, cache)
    assert loaded.pipeline.description.endswith("fp16")
    assert load(half_bundle, cache, precision="fp32")[0].pipeline.description.endswith("fp32")


@pytest.mark.parametrize("factor", [1.5, float("nan")])
def test_gives_up_fp16_that_computes_something_else_and_says_both_figures(
    half_bundle, cache, factor
):
    trt = FakeTensorRt(wrong_in_fp16=factor)
    loaded, _ = load(half_bundle, cache, trt)
    assert loaded.pipeline.description.endswith("fp32")
    (note,) = loaded.warnings
    assert "fp16 was given up" in note
    assert ("nan" if factor != factor else "0.5") in note
    assert "fp32 differs by" in note
    assert len(list(cache.folder.glob("*.plan.bad"))) == 2  # nobody starts with them again
    with pytest.raises(SelfCheckError):
        load(half_bundle, cache, FakeTensorRt(wrong_in_fp16=factor), precision="fp16")


@pytest.mark.parametrize(("precision", "tf32"), [("auto", True), ("fp32", False)])
def test_who_asks_for_fp32_gets_it(bundle, cache, precision, tf32):
    trt = FakeTensorRt()
    load(bundle, cache, trt, precision=precision)
    assert trt.with_tf32 == [tf32] * 2


def test_where_fp16_was_wrong_nothing_but_fp32_is_taken(half_bundle, cache):
    trt = FakeTensorRt(wrong_in_fp16=1.5)
    load(half_bundle, cache, trt)
    assert trt.with_tf32 == [True, True, False, False]


def test_refuses_when_fp32_is_wrong_too(half_bundle, cache, tmp_path):
    golden = dict(np.load(half_bundle.golden_path))
    golden["depth"] = golden["depth"] * 2
    np.savez(tmp_path / "golden.npz", **golden)
    wrong = replace(half_bundle, golden_path=tmp_path / "golden.npz")
    wrong = replace(wrong, fp16=replace(half_bundle.fp16, golden_path=tmp_path / "golden.npz"))
    with pytest.raises(SelfCheckError, match="differs from the reference output"):
        load(wrong, cache)


def test_without_memory_to_build_it_says_what_to_lower(bundle, cache):
    with pytest.raises(BuildError, match=r"GPU memory \(9 bytes\).*lower tensorrt\.workspace_mib"):
        load(bundle, cache, FakeTensorRt(out_of_memory=True))
    assert cache.plans() == []


def test_without_a_driver_it_says_so_in_words(bundle, cache):
    with pytest.raises(BackendUnavailableError, match="error 35: the driver is missing or older"):
        load(bundle, cache, FakeTensorRt(no_gpu=True))


def test_a_graph_that_tensorrt_cannot_read_is_named(bundle, cache, tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no graph")
    sha256 = hashlib.sha256(b"no graph").hexdigest()
    bad = replace(bundle, mde=replace(bundle.mde, path=path, sha256=sha256))
    with pytest.raises(BuildError, match=r"tiny mde.*UNSUPPORTED_NODE"):
        load(bad, cache)


def test_an_image_beyond_the_plan_is_refused_with_the_parameter(bundle, cache):
    pipeline = load(bundle, cache)[0].pipeline
    for _ in range(2):
        with pytest.raises(
            InferenceError, match=r"not \[1, 3, 480, 800\]: set tensorrt\.max_height"
        ):
            pipeline.run(*pair(480, 800), StageClock())
    image, sparse = pair()
    pipeline.run(image, sparse, StageClock())  # and it goes on


@pytest.mark.parametrize(
    ("precision", "part"), [("fp16", "no graphs in fp16"), ("bf16", "fp32 or")]
)
def test_a_precision_that_is_not_there_is_refused(bundle, cache, precision, part):
    with pytest.raises(BackendUnavailableError, match=part):
        load(bundle, cache, precision=precision)


def test_plans_are_best_in_the_size_that_the_bundle_works_in(bundle):
    full = _shapes(bundle, "refinement", OPTIONS)["image"]
    small = _shapes(replace(bundle, working_pixels=120 * 160), "refinement", OPTIONS)["image"]
    assert full.best[2:] == (480, 640)
    assert small.best[2:] == (120, 160)
    assert small.largest == full.largest  # narrow images have long sides, too


def build_in_a_process(folder, bundle_path, queue):
    trt = FakeTensorRt()
    load(ModelBundle.load(bundle_path), PlanCache(folder), trt)
    queue.put(len(trt.builds))


def test_of_two_processes_one_builds(bundle, tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    arguments = (tmp_path / "plans", bundle.path, queue)
    processes = [context.Process(target=build_in_a_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    builds = sorted(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert sum(builds) == 2
    assert len(PlanCache(tmp_path / "plans").plans()) == 2


def test_a_cache_that_cannot_keep_plans_is_warned_of_and_depth_is_there(bundle, cache, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", no_room)
    trt = FakeTensorRt()
    for builds in (2, 4):
        loaded, _ = load(bundle, cache, trt)
        assert len(trt.builds) == builds
        (warning,) = loaded.warnings
        assert "(No space left on device): each start builds them anew" in warning
        assert loaded.pipeline.run(*pair(), StageClock()).depth.shape == (48, 64)
    assert not list(cache.folder.glob("*.tmp"))


def test_a_cache_that_others_may_change_is_not_used(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder("tensorrt")
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    loaded, _ = load(bundle, None)
    (warning,) = loaded.warnings
    assert "chmod go-w" in warning
    assert not list(folder.iterdir())


def no_room(*_):
    raise OSError(28, "No space left on device")
