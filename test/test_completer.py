"""The completer: its contract, its checks at the border, and what the default bundle does."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from onnx import TensorProto, helper

from bundles import expected_depth
from starrygazer_ros.backends import load_engine
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import (
    BackendUnavailableError,
    BundleGraphError,
    DepthCompleter,
    ImageFormatError,
    ImageSizeError,
    InferenceError,
    InputError,
    ModelBundle,
    SelfCheckError,
    SizeMismatchError,
    SparseDepthFormatError,
    SparseDepthValueError,
    TooFewSparsePointsError,
)

HEIGHT, WIDTH = 75, 101  # no multiple of anything


@pytest.fixture(scope="module")
def completer(tiny_bundle: Path) -> DepthCompleter:
    return DepthCompleter.from_bundle(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def default_completer() -> DepthCompleter:
    return DepthCompleter.from_bundle("default", threads=2)


def pair(height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    image = np.full((height, width, 3), 51, np.uint8)
    sparse_depth = np.zeros((height, width), np.float32)
    sparse_depth[5::10, 3::7] = 4.0
    return image, sparse_depth


def test_completes_a_size_that_is_no_multiple_of_anything(completer: DepthCompleter) -> None:
    image, sparse_depth = pair()
    result = completer.complete(image, sparse_depth)
    for output in (result.depth, result.confidence, result.relative_depth):
        assert output.shape == (HEIGHT, WIDTH)
        assert output.dtype == np.float32
    np.testing.assert_allclose(result.depth, expected_depth(sparse_depth), rtol=1e-5)
    np.testing.assert_allclose(result.relative_depth, 0.2, rtol=1e-5)
    np.testing.assert_allclose(result.confidence, 0.2, rtol=1e-5)


def test_unknown_depth_is_nan(completer: DepthCompleter) -> None:
    image, sparse_depth = pair()
    image[:] = 0  # the tiny bundle gives no depth where the image is black
    result = completer.complete(image, sparse_depth)
    assert np.isnan(result.depth).all()
    assert (result.confidence == 0).all()


def test_nan_and_zero_both_mean_no_measurement(completer: DepthCompleter) -> None:
    image, sparse_depth = pair()
    with_nan = np.where(sparse_depth > 0, sparse_depth, np.float32(np.nan))
    np.testing.assert_array_equal(
        completer.complete(image, with_nan).depth, completer.complete(image, sparse_depth).depth
    )


@pytest.mark.parametrize("depth", [1e-45, 1e-39, 1e-7])
def test_a_depth_that_no_sensor_measures_is_no_measurement(
    completer: DepthCompleter, depth: float
) -> None:
    image, sparse_depth = pair()
    expected = completer.complete(image, sparse_depth).depth
    sparse_depth[1, 1] = depth
    np.testing.assert_array_equal(completer.complete(image, sparse_depth).depth, expected)


def test_leaves_its_inputs_alone(completer: DepthCompleter) -> None:
    image, sparse_depth = pair()
    sparse_depth[0, 0] = np.nan
    before = image.copy(), sparse_depth.copy()
    image.flags.writeable = sparse_depth.flags.writeable = False  # as messages' buffers may be
    completer.complete(image, sparse_depth)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(sparse_depth, before[1])


def test_results_of_consecutive_frames_do_not_share_memory(completer: DepthCompleter) -> None:
    image, sparse_depth = pair()
    first = completer.complete(image, sparse_depth)
    kept = first.depth.copy()
    completer.complete(image, 3 * sparse_depth)
    np.testing.assert_array_equal(first.depth, kept)


def test_takes_arrays_that_are_not_contiguous(completer: DepthCompleter) -> None:
    image, sparse_depth = pair()
    wide = np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)
    wide[:, ::2] = image
    result = completer.complete(wide[:, ::2], np.asfortranarray(sparse_depth))
    np.testing.assert_allclose(result.depth, expected_depth(sparse_depth), rtol=1e-5)


def test_stage_timings_add_up_to_the_total(completer: DepthCompleter) -> None:
    timings = completer.complete(*pair()).timings
    networks = {"prepare_mde", "mde", "prepare_refinement", "refinement"}
    stages = {"check", "occlusion", *networks, "finish"}
    assert set(timings) == {*stages, "total"}
    assert timings.backend == completer.backend_description
    assert sum(timings[stage] for stage in stages) == pytest.approx(timings["total"])
    assert all(timings[stage] > 0 for stage in stages)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((HEIGHT, WIDTH), np.uint8), ImageFormatError),
        (np.zeros((HEIGHT, WIDTH, 4), np.uint8), ImageFormatError),
        (np.zeros((HEIGHT, WIDTH, 3), np.float32), ImageFormatError),
        (np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8), SizeMismatchError),
        (np.zeros((0, 0, 3), np.uint8), SizeMismatchError),
        ([[1, 2, 3]], ImageFormatError),
        (None, ImageFormatError),
    ],
)
def test_refuses_an_image_that_it_cannot_use(
    completer: DepthCompleter, image: np.ndarray, error: type[InputError]
) -> None:
    with pytest.raises(error):
        completer.complete(image, pair()[1])


@pytest.mark.parametrize("shape", [(7, 96), (96, 7), (0, 0), (64, 4096)])
def test_refuses_an_image_size_outside_the_engines_range(
    completer: DepthCompleter, shape: tuple[int, int]
) -> None:
    with pytest.raises(ImageSizeError, match="resize"):
        completer.complete(np.zeros((*shape, 3), np.uint8), np.ones(shape, np.float32))


@pytest.mark.filterwarnings("error")
def test_a_depth_beyond_all_sense_contradicts_the_points_without_a_warning_of_numpy(
    completer: DepthCompleter,
) -> None:
    image, sparse_depth = pair()
    rows, columns = np.nonzero(sparse_depth)
    sparse_depth[rows, columns] = 1e-6
    sparse_depth[rows[0], columns[0]] = 3e38
    result = completer.complete(image, sparse_depth)
    assert result.contradicted_points >= len(rows) - 1


@pytest.mark.parametrize("shape", [(8, 96), (96, 8), (8, 8)])
def test_fills_up_images_that_are_smaller_than_what_the_engines_take(
    completer: DepthCompleter, shape: tuple[int, int]
) -> None:
    assert min(shape) < completer.bundle.refinement.minimum
    image = np.full((*shape, 3), 51, np.uint8)
    result = completer.complete(image, np.full(shape, 2, np.float32))
    assert result.depth.shape == result.confidence.shape == shape
    assert np.isfinite(result.depth).all()


@pytest.mark.parametrize(
    "sparse_depth",
    [
        np.ones((HEIGHT, WIDTH), np.float64),
        np.ones((HEIGHT, WIDTH), np.uint16),
        np.ones((HEIGHT, WIDTH, 1), np.float32),
        None,
    ],
)
def test_refuses_a_sparse_depth_of_another_format(
    completer: DepthCompleter, sparse_depth: np.ndarray
) -> None:
    with pytest.raises(SparseDepthFormatError, match="float32"):
        completer.complete(pair()[0], sparse_depth)


@pytest.mark.parametrize("value", [np.inf, -np.inf, -1.0])
def test_refuses_values_that_are_no_depth(completer: DepthCompleter, value: float) -> None:
    image, sparse_depth = pair()
    sparse_depth[1, 2] = value
    with pytest.raises(SparseDepthValueError):
        completer.complete(image, sparse_depth)


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_refuses_a_sparse_depth_without_points(completer: DepthCompleter, fill: float) -> None:
    image, sparse_depth = pair()
    sparse_depth[:] = fill
    with pytest.raises(TooFewSparsePointsError, match="0 valid points, at least 5"):
        completer.complete(image, sparse_depth)


def test_leaves_out_occluded_points_unless_told_otherwise(tiny_bundle: Path) -> None:
    image = np.full((120, 400, 3), 51, np.uint8)
    sparse_depth = np.zeros((120, 400), np.float32)
    sparse_depth[::6, ::2] = 5.0
    sparse_depth[::6, 101:201:2] = 20.0  # between the points of a surface that hides them
    given = sparse_depth.copy()
    without = np.where(sparse_depth == 20, np.float32(0), sparse_depth)
    filtering, believing = (
        DepthCompleter.from_bundle(tiny_bundle, threads=1, filter_occluded=f) for f in (True, False)
    )
    filtered, believed = (c.complete(image, sparse_depth) for c in (filtering, believing))
    assert filtered.occluded_points == np.count_nonzero(sparse_depth == 20)
    assert believed.occluded_points == 0
    np.testing.assert_array_equal(filtered.depth, believing.complete(image, without).depth)
    assert not np.array_equal(filtered.depth, believed.depth)
    np.testing.assert_array_equal(sparse_depth, given)  # the caller's array stays as it was


def test_min_sparse_points_is_the_least_that_is_accepted(tiny_bundle: Path) -> None:
    completer = DepthCompleter.from_bundle(tiny_bundle, threads=1, min_sparse_points=3)
    image, sparse_depth = pair()
    sparse_depth[:] = 0
    sparse_depth[4, 4:6] = 2.0
    with pytest.raises(TooFewSparsePointsError):
        completer.complete(image, sparse_depth)
    sparse_depth[4, 6] = 2.0
    completer.complete(image, sparse_depth)


def test_refuses_an_unknown_back_end(tiny_bundle: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"choose one of auto, .*, onnxrun"):
        DepthCompleter.from_bundle(tiny_bundle, backend="cuda")


@pytest.mark.parametrize("argument", ["threads", "min_sparse_points"])
def test_refuses_numbers_below_one(tiny_bundle: Path, argument: str) -> None:
    with pytest.raises(ValueError, match=argument):
        DepthCompleter.from_bundle(tiny_bundle, **{argument: 0})  # type: ignore[arg-type]


def test_says_which_back_end_runs(completer: DepthCompleter) -> None:
    assert completer.backend_description.startswith("onnxruntime ")
    assert "CPU" in completer.backend_description


def test_self_check_passes_on_an_untouched_bundle(completer: DepthCompleter) -> None:
    assert completer.self_check() < 1e-4


def test_self_check_does_not_mind_the_users_least_number_of_points(tiny_bundle: Path) -> None:
    DepthCompleter.from_bundle(tiny_bundle, min_sparse_points=10_000).self_check()


def test_refuses_graphs_with_other_inputs(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    manifest = yaml.safe_load((bundle / "manifest.yaml").read_text())
    manifest["mde"]["file"] = "refinement.onnx"
    (bundle / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(BundleGraphError, match=r"refinement\.onnx maps .* expected \['image'\]"):
        DepthCompleter.from_bundle(bundle)


def test_a_failing_engine_is_reported_as_such(tiny_bundle: Path) -> None:
    engine = load_engine((tiny_bundle / "mde.onnx").read_bytes(), "mde", "onnxruntime", threads=1)
    engine.run({"image": np.zeros((1, 3, 64, 64), np.float32)})
    with pytest.raises(InferenceError, match="ONNX Runtime failed"):
        engine.run({"image": np.zeros((1, 3), np.float32)})


def test_self_check_fails_when_the_engine_computes_something_else(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    import hashlib

    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    golden = dict(np.load(bundle / "golden.npz"))
    np.savez(bundle / "golden.npz", **{**golden, "depth": golden["depth"] * np.float32(1.01)})
    manifest = yaml.safe_load((bundle / "manifest.yaml").read_text())
    manifest["files"]["golden.npz"] = hashlib.sha256(
        (bundle / "golden.npz").read_bytes()
    ).hexdigest()
    (bundle / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(SelfCheckError, match="another back end"):
        DepthCompleter.from_bundle(bundle, threads=1).self_check()


def test_default_bundle_passes_its_self_check(default_completer: DepthCompleter) -> None:
    default_completer.self_check()


@pytest.mark.parametrize("scale", [0.1, 3.0, 50.0])
def test_default_bundle_scales_with_the_sparse_depth(scale: float) -> None:
    """In fp32; in int8 the last bit of an input may move a step of the activations."""
    exact = DepthCompleter.from_bundle("default", options=EngineOptions(precision="fp32"))
    golden = exact.bundle.golden()
    scaled = exact.complete(golden.image, golden.sparse_depth * np.float32(scale))
    np.testing.assert_allclose(scaled.depth, golden.depth * scale, rtol=2e-3)


def test_default_bundle_stays_close_to_its_measurements(
    default_completer: DepthCompleter,
) -> None:
    golden = default_completer.bundle.golden()
    result = default_completer.complete(golden.image, golden.sparse_depth)
    known = golden.sparse_depth > 0
    error = np.abs(result.depth[known] - golden.sparse_depth[known]) / golden.sparse_depth[known]
    assert np.median(error) < 0.05
    assert ((result.confidence >= 0) & (result.confidence <= 1)).all()


@pytest.mark.parametrize("part", ["left half", "small patch", "one line", "five points"])
def test_default_bundle_gives_depth_wherever_the_points_lie(
    default_completer: DepthCompleter, part: str
) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    sparse_depth = np.zeros((240, 320), np.float32)
    window = {
        "left half": (slice(0, 240, 8), slice(0, 160, 4)),
        "small patch": (slice(10, 40, 3), slice(200, 230, 3)),
        "one line": (slice(120, 121), slice(0, 320, 2)),
        "five points": (slice(50, 51), slice(10, 60, 10)),
    }[part]
    sparse_depth[window] = rng.uniform(2, 6, sparse_depth[window].shape)
    result = default_completer.complete(image, sparse_depth)
    assert np.isfinite(result.depth).all()
    assert result.depth.min() > 0.5
    assert result.depth.max() < 30
    assert ((result.confidence >= 0) & (result.confidence <= 1)).all()


def test_keeps_the_relative_depth_unless_it_is_told_not_to(tiny_bundle: Path) -> None:
    completer = DepthCompleter.from_bundle(tiny_bundle, threads=1)
    image = np.full((48, 64, 3), 51, np.uint8)
    sparse_depth = np.full((48, 64), 3, np.float32)
    assert completer.complete(image, sparse_depth).relative_depth is not None
    completer.keep_relative_depth = False
    result = completer.complete(image, sparse_depth)
    assert result.relative_depth is None
    np.testing.assert_allclose(result.depth, 3 * 1.2, rtol=1e-5)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_self_check_takes_an_infinite_difference_for_one(tiny_bundle: Path) -> None:
    bundle = ModelBundle.load(tiny_bundle)
    golden = bundle.golden()
    tiny = replace(golden, depth=np.full_like(golden.depth, 1e-45))
    object.__setattr__(bundle, "golden", lambda: tiny)
    with pytest.raises(SelfCheckError, match="by inf"):
        DepthCompleter(bundle, "onnxruntime").self_check()


def test_weights_in_another_file_are_not_pulled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the graph has a hash; ONNX Runtime would look in the current folder."""
    np.ones(256, np.float32).tofile(tmp_path / "weights.bin")
    monkeypatch.chdir(tmp_path)
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[256])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")
    values = [
        helper.make_tensor_value_info("at", TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info("found", TensorProto.FLOAT, ["n"]),
    ]
    node = helper.make_node("Gather", ["weights", "at"], ["found"])
    graph = helper.make_graph([node], "graph", values[:1], values[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(BackendUnavailableError, match="cannot load external_weights"):
        load_engine(model.SerializeToString(), "external_weights", "onnxruntime", threads=1)
