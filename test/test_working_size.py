"""Large images completed in fewer pixels: the same scene, in the size of the image."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.cli import main
from starrygazer_ros.completion import DepthCompleter, ModelBundle, SharedEngines
from starrygazer_ros.completion.errors import BundleManifestError
from starrygazer_ros.completion.pipelines import Prediction
from starrygazer_ros.completion.stage_clock import StageClock
from starrygazer_ros.completion.working_size import (
    SmallerPipeline,
    nearest_in_cells,
    returned_to,
    shrunk,
)
from starrygazer_ros.demo.photographs import motorcycle
from starrygazer_ros.demo.scan_lines import scan_lines

HEIGHT, WIDTH = 120, 200


class Inner:
    """Two flat surfaces side by side; remembers what it was given."""

    description = "inner"

    def run(self, image, sparse_depth, clock, relative_depth=True):
        self.image, self.sparse_depth = image, sparse_depth
        depth = np.full(sparse_depth.shape, 2, np.float32)
        depth[:, depth.shape[1] // 2 :] = 6
        clock.lap("inner")
        return Prediction(depth, depth / 10, depth if relative_depth else None)


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def sparse_depth(left: float = 2.0, right: float = 6.0) -> np.ndarray:
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    depth[4::8, : WIDTH // 2], depth[4::8, WIDTH // 2 :] = left, right
    return depth


def run(pixels: int, depth: np.ndarray, minimum: int = 1) -> tuple[Prediction, Inner, StageClock]:
    inner, clock = Inner(), StageClock()
    return SmallerPipeline(inner, pixels, minimum).run(image(), depth, clock), inner, clock


def test_the_engines_see_about_so_many_pixels_and_the_result_has_all() -> None:
    found, inner, clock = run(6000, sparse_depth())
    assert inner.image.shape == (60, 100, 3)
    assert inner.sparse_depth.shape == (60, 100)
    for values in (found.depth, found.confidence, found.relative_depth):
        assert values.shape == (HEIGHT, WIDTH)
        assert values.dtype == np.float32
    assert list(clock.timings("")) == ["shrink", "inner", "enlarge", "total"]


def test_no_depth_arises_between_two_surfaces() -> None:
    found, _, _ = run(3000, sparse_depth())
    surface = np.where(found.depth < 4, 2, 6)
    assert found.depth == pytest.approx(surface, rel=0.01)


def test_depth_is_smooth_across_edges_where_a_bundle_wants_it() -> None:
    pipeline = SmallerPipeline(Inner(), 3000, 1, across_edges=True)
    found = pipeline.run(image(), sparse_depth(), StageClock())
    between = (found.depth > 2.2) & (found.depth < 5.5)
    assert between.any(axis=1).all()
    assert between[:, :90].sum() == between[:, 110:].sum() == 0


class WithHole(Inner):
    """Leaves a part of the left surface unknown, depth and confidence."""

    def run(self, image, sparse_depth, clock, relative_depth=True):
        found = super().run(image, sparse_depth, clock, relative_depth)
        found.depth[10:20, 10:20] = found.confidence[10:20, 10:20] = np.nan
        return found


@pytest.mark.parametrize("across_edges", [False, True])
def test_what_is_unknown_does_not_reach_beyond_itself(across_edges) -> None:
    whole, holed = (
        SmallerPipeline(inner, 6000, 1, across_edges).run(image(), sparse_depth(), StageClock())
        for inner in (Inner(), WithHole())
    )
    known = np.isfinite(holed.depth)
    assert HEIGHT * WIDTH - 22 * 22 <= np.count_nonzero(known) < HEIGHT * WIDTH
    assert np.array_equal(holed.depth[:, 60:], whole.depth[:, 60:])
    assert holed.depth[known] == pytest.approx(whole.depth[known], rel=0.01)
    assert np.isfinite(holed.confidence).all()
    assert (holed.confidence[known] > 0).all()


def test_confidence_stays_on_its_side_of_an_edge() -> None:
    found, _, _ = run(3000, sparse_depth())
    assert set(np.unique(found.confidence)) == {np.float32(0.2), np.float32(0.6)}


@pytest.mark.parametrize(
    ("height", "width"), [(119, 199), (80, 134), (60, 100), (40, 66), (24, 40)]
)
def test_images_are_shrunk_by_the_means_of_areas(height, width) -> None:
    photograph = motorcycle().image[100 : 100 + HEIGHT, 200 : 200 + WIDTH]
    means = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA)
    difference = np.abs(shrunk(photograph, height, width).astype(int) - means)
    assert difference.mean() < 0.1 * photograph.std()


def test_a_side_that_stays_is_not_blurred() -> None:
    stripes = np.zeros((33, 4200, 3), np.uint8)
    stripes[1::2] = 255
    assert np.array_equal(shrunk(stripes, 33, 2501), stripes[:, :2501])


def test_small_images_are_left_as_they_are() -> None:
    _, inner, clock = run(HEIGHT * WIDTH, sparse_depth())
    assert inner.image.shape == (HEIGHT, WIDTH, 3)
    assert list(clock.timings("")) == ["inner", "total"]


def test_no_side_is_shorter_than_the_engines_take() -> None:
    _, inner, _ = run(1000, sparse_depth(), minimum=50)
    assert inner.image.shape[:2] == (50, 50)
    _, inner, _ = run(1000, sparse_depth(), minimum=2 * max(HEIGHT, WIDTH))
    assert inner.image.shape[:2] == (HEIGHT, WIDTH)  # nor is an image enlarged for that


def test_of_several_measurements_in_a_cell_the_nearest_is_kept() -> None:
    depth = np.zeros((4, 6), np.float32)
    depth[0, 0], depth[1, 1], depth[3, 5] = 5, 3, 7
    assert nearest_in_cells(depth, 2, 3).tolist() == [[3, 0, 0], [0, 0, 7]]


def test_depth_goes_back_to_the_measurements_but_not_to_those_beyond_an_edge() -> None:
    depth = np.full((40, 40), 4, np.float32)
    measured = np.zeros_like(depth)
    measured[10, 10], measured[30, 30] = 4.2, 8
    returned = returned_to(measured, depth, cell=3)
    assert returned[10, 10] == pytest.approx(4.2, rel=0.02)
    assert 4 < returned[10, 11] < returned[10, 10]
    assert returned[10, 16] == 4
    assert returned[30, 30] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("cell", [3, 5, 7, 9, 15])
@pytest.mark.parametrize("shape", [(40, 40), (37, 41)])
def test_depth_between_measurements_that_agree_follows_them(cell, shape) -> None:
    depth = np.full(shape, 4, np.float32)
    measured = np.zeros_like(depth)
    measured[::2, ::2] = 4.2
    returned = returned_to(measured, depth, cell)
    assert returned.shape == shape
    assert returned[cell:-cell, cell:-cell] == pytest.approx(4.2, rel=0.02)


@pytest.mark.parametrize("cell", [5, 9, 15])
def test_a_wide_tent_ends_about_a_cell_away(cell) -> None:
    depth = np.full((90, 90), 4, np.float32)
    measured = np.zeros_like(depth)
    measured[45, 45] = 4.2
    off = returned_to(measured, depth, cell) - depth
    assert off[45, 45] == pytest.approx(0.15, abs=0.05)
    rows, columns = np.nonzero(off)
    for places in (rows, columns):
        assert 45 - 1.6 * cell < places.min() < 45 < places.max() < 45 + 1.6 * cell


def test_a_wrong_measurement_does_not_take_the_place_of_a_good_one_beside_it() -> None:
    depth = np.full((60, 60), 4, np.float32)
    measured = np.zeros_like(depth)
    measured[30, 30] = 4.2
    alone = returned_to(measured, depth, 9)
    measured[30, 31] = 12
    assert returned_to(measured, depth, 9) == pytest.approx(alone, abs=0.05)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unknown", [0.0, -1.0, np.inf, np.nan])
def test_what_the_engines_leave_unknown_is_unknown(unknown) -> None:
    class WithUnknown(Inner):
        def run(self, image, sparse_depth, clock, relative_depth=True):
            found = super().run(image, sparse_depth, clock, relative_depth)
            found.depth[10:20, 10:20] = unknown
            return found

    found = SmallerPipeline(WithUnknown(), 6000, 1).run(image(), sparse_depth(), StageClock())
    assert np.isnan(found.depth[22:38, 22:38]).all()
    assert np.isfinite(found.depth).sum() >= HEIGHT * WIDTH - 22 * 22


def test_unknown_depth_stays_unknown() -> None:
    depth = np.full((40, 40), np.nan, np.float32)
    measured = np.zeros_like(depth)
    measured[10, 10] = 4
    assert np.isnan(returned_to(measured, depth, cell=3)).all()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The default bundle in a working size, made as a user makes it."""
    folder = tmp_path_factory.mktemp("models") / "small"
    sizes = ["--pixels", "30000", "--mde-pixels", "20000"]
    assert main(["models", "resize", "default", str(folder), *sizes]) == 0
    return folder


def test_a_bundle_says_in_how_many_pixels_it_works(small, capsys) -> None:
    bundle, source = ModelBundle.load(small), ModelBundle.load("default")
    assert (bundle.name, bundle.working_pixels, bundle.mde_pixels) == ("small", 30000, 20000)
    assert bundle.refinement.sha256 == source.refinement.sha256
    assert source.working_pixels is None
    assert main(["models", "resize", "default", str(small), "--pixels", "30000"]) == 2
    assert "exists: choose another name" in capsys.readouterr().err
    assert main(["models", "resize", "default", f"{small}er", "--pixels", "100"]) == 2
    assert "takes 4225 to 16000000 pixels, not 100" in capsys.readouterr().err
    assert main(["models", "resize", "default", "/proc/new/small", "--pixels", "30000"]) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_the_golden_pair_checks_the_graphs_whatever_the_working_size(tmp_path) -> None:
    folder = tmp_path / "tiny"
    assert main(["models", "resize", "default", str(folder), "--pixels", "5000"]) == 0
    options = EngineOptions(precision="int8")  # which is checked when it is loaded
    completer = DepthCompleter.from_bundle(folder, "onnxruntime", options=options)
    assert 0 < completer.self_check() <= completer.bundle.golden_tolerance
    assert DepthCompleter.from_bundle(folder, "onnxruntime").self_check() < 1e-5


def test_images_larger_than_the_engines_take_are_shrunk() -> None:
    completer = DepthCompleter.from_bundle("fast", "onnxruntime")
    depth = np.zeros((60, 4200), np.float32)
    depth[::10, ::10] = 3
    result = completer.complete(np.zeros((60, 4200, 3), np.uint8), depth)
    assert result.depth == pytest.approx(3, rel=0.1)


def test_it_completes_a_photograph_nearly_as_well(small) -> None:
    scene = motorcycle()
    points = scan_lines(scene.depth, 16, scene.intrinsics)
    known = scene.depth > 0
    errors = []
    for name in ("default", small):
        completer = DepthCompleter.from_bundle(name, "onnxruntime")
        assert completer.self_check() < 1e-5
        result = completer.complete(scene.image, points)
        assert result.depth.shape == scene.depth.shape
        errors.append(np.sqrt(np.mean((result.depth[known] - scene.depth[known]) ** 2)))
    assert errors[0] < errors[1] < 1.3 * errors[0]


def test_bundles_of_the_same_graphs_in_two_sizes_do_not_share_engines(small) -> None:
    shared = SharedEngines()
    completers = [
        DepthCompleter.from_bundle(name, "onnxruntime", shared=shared)
        for name in ("default", small, small)
    ]
    assert len(shared) == 2
    assert completers[1].pipeline is completers[2].pipeline
    smooth = replace(ModelBundle.load(small), across_edges=True)
    assert (
        DepthCompleter(smooth, "onnxruntime", shared=shared).pipeline is not completers[1].pipeline
    )


def test_a_wrong_number_of_pixels_is_refused(small) -> None:
    path = small / "manifest.yaml"
    before = path.read_text(encoding="utf-8")
    manifest = yaml.safe_load(before)
    manifest["refinement"]["pixels"] = 0
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    with pytest.raises(BundleManifestError, match="0 is not a whole number from 1"):
        ModelBundle.load(small)
    path.write_text(before, encoding="utf-8")


def test_across_edges_is_yes_or_no_and_needs_a_size(small) -> None:
    path = small / "manifest.yaml"
    before = path.read_text(encoding="utf-8")
    manifest = yaml.safe_load(before)
    manifest["refinement"]["across_edges"] = "maybe"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    with pytest.raises(BundleManifestError, match="'maybe' is neither true nor false"):
        ModelBundle.load(small)
    manifest["refinement"]["across_edges"] = True
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    assert ModelBundle.load(small).across_edges
    del manifest["refinement"]["pixels"]
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    with pytest.raises(BundleManifestError, match="across_edges without pixels"):
        ModelBundle.load(small)
    path.write_text(before, encoding="utf-8")


def test_a_bundle_can_be_given_another_size_in_memory() -> None:
    bundle = replace(ModelBundle.load("default"), working_pixels=20000)
    result = DepthCompleter(bundle, "onnxruntime").complete(
        np.zeros((200, 400, 3), np.uint8), np.full((200, 400), 3, np.float32)
    )
    assert result.depth == pytest.approx(3, rel=0.02)
    assert {"shrink", "enlarge"} < set(result.timings)


@pytest.mark.filterwarnings("error")
def test_a_measurement_beyond_all_sense_changes_nothing() -> None:
    depth = np.full((20, 20), 1e-3, np.float32)
    measured = np.zeros_like(depth)
    measured[10, 10] = 3e38
    assert returned_to(measured, depth, cell=3) == pytest.approx(depth, rel=0.01)
