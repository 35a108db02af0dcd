"""Exported bundles: any size, the numbers of PyTorch, two precisions, all or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import yaml
from starrygazer_training import export
from starrygazer_training.config import ConfigError
from starrygazer_training.export import FP16_BOUND, FP32_BOUND, Network, write_bundle
from starrygazer_training.golden import golden_input, moved_to
from starrygazer_training.graph_check import GraphMismatchError, check_graph, difference
from starrygazer_training.refinement import Refinement
from starrygazer_training.student import MULTIPLE as MDE_MULTIPLE
from starrygazer_training.student import Student
from torch import Tensor, nn

from starrygazer_ros.completion import DepthCompleter, ModelBundle

# Operators that TensorRT refuses or that have no static shape.
BANNED = {
    *("NonZero", "ScatterElements", "ScatterND", "Loop", "If", "Scan", "GridSample", "Unique"),
    *("SplitToSequence", "SequenceAt", "IsNaN"),
}
GRAPHS = ("mde.onnx", "refinement.onnx", "mde.fp16.onnx", "refinement.fp16.onnx")


@pytest.fixture(scope="module")
def networks() -> tuple[Network, Network]:
    torch.manual_seed(0)
    mde, refinement = Student().eval(), Refinement().eval()
    return Network.mde(mde, MDE_MULTIPLE), Network.refinement(refinement)


@pytest.fixture(scope="module")
def bundle(networks: tuple[Network, Network], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "untrained"
    mde, refinement = networks
    write_bundle(folder, "untrained", "0.0.0", mde, 65536, refinement, {"steps": 0}, fp16=True)
    return folder


@pytest.mark.parametrize("size", [(64, 64), (96, 320), (224, 160)])
@pytest.mark.parametrize(("ending", "bound"), [("onnx", FP32_BOUND), ("fp16.onnx", FP16_BOUND)])
def test_graphs_compute_what_pytorch_computes_at_any_size(
    networks: tuple[Network, Network],
    bundle: Path,
    size: tuple[int, int],
    ending: str,
    bound: float,
) -> None:
    torch.manual_seed(1)
    example = {
        "image": torch.rand(1, 3, *size),
        "relative_depth": torch.rand(1, 1, *size),
        "sparse_depth": (1 + torch.rand(1, 1, *size)) * (torch.rand(1, 1, *size) < 0.05),
    }
    for network in networks:
        inputs = {name: example[name] for name in network.inputs}
        path = bundle / f"{network.name}.{ending}"
        check_graph(path, network.model, network.outputs, [inputs], bound)


def test_the_manifest_states_how_far_each_graph_is_from_pytorch(bundle: Path) -> None:
    differences = yaml.safe_load((bundle / "manifest.yaml").read_text())["differences"]
    assert set(differences) == set(GRAPHS)
    for file, found in differences.items():
        assert 0 <= found <= (FP16_BOUND if "fp16" in file else FP32_BOUND)


@pytest.mark.parametrize("file", GRAPHS)
def test_graphs_use_only_operators_that_tensorrt_takes(bundle: Path, file: str) -> None:
    model = onnx.load(bundle / file)
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 18
    assert not {node.op_type for node in model.graph.node} & BANNED


@pytest.mark.parametrize("file", GRAPHS)
def test_exported_graphs_do_not_tell_where_they_were_made(bundle: Path, file: str) -> None:
    assert b".py" not in (bundle / file).read_bytes()


@pytest.mark.parametrize("name", ["mde", "refinement"])
def test_float16_graphs_keep_float32_inputs_and_outputs_and_halve_the_weights(
    bundle: Path, name: str
) -> None:
    graph = onnx.load(bundle / f"{name}.fp16.onnx").graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    half, full = ((bundle / f"{name}{end}").stat().st_size for end in (".fp16.onnx", ".onnx"))
    assert half < 0.6 * full


def test_alignment_and_interpolation_stay_in_float32(bundle: Path) -> None:
    """Operators that only these parts have never see float16."""
    model = onnx.shape_inference.infer_shapes(onnx.load(bundle / "refinement.fp16.onnx"))
    half = {
        value.name
        for value in model.graph.value_info
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    }
    types = {node.op_type for node in model.graph.node if half & {*node.input, *node.output}}
    assert "Conv" in types
    assert not types & {"Log", "Exp", "Div", "ReduceSum", "ReduceMean", "Softmax", "Sigmoid"}


def test_bundle_passes_its_own_self_check_in_both_precisions(bundle: Path) -> None:
    loaded = ModelBundle.load(bundle)
    assert loaded.fp16 is not None
    for precision in (loaded, loaded.fp16):
        assert DepthCompleter(precision).self_check() <= loaded.golden_tolerance
    # Measured 1e-4 with trained weights; far above it something would run in the wrong precision.
    assert DepthCompleter(loaded.fp16).self_check() < 2e-3


def test_golden_input_is_sparse() -> None:
    image, sparse = golden_input()
    assert image.shape[:2] == sparse.shape
    assert 0.01 < (sparse > 0).mean() < 0.1


def test_sparse_depth_moves_with_the_size() -> None:
    sparse = np.zeros((4, 6), np.float32)
    sparse[1, 4] = 3.0
    moved = moved_to(sparse, 8, 3)
    assert moved[2, 2] == 3.0
    assert np.count_nonzero(moved) == 1


class Grey(nn.Module):
    """An MDE that is exported in a second."""

    def forward(self, image: Tensor) -> Tensor:
        return image.mean(1, keepdim=True)


class Mean(nn.Module):
    """A refinement that is exported in a second."""

    multiple = 8

    def forward(
        self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        depth = sparse_depth.mean() + relative_depth
        return depth, image.mean(1, keepdim=True)


class Wrong(Mean):
    """Computes something else when it is exported."""

    def forward(
        self, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        depth, confidence = super().forward(image, relative_depth, sparse_depth)
        return depth * (1.01 if torch.compiler.is_exporting() else 1.0), confidence


def write_quick(folder: Path, refinement: Mean, version: str = "1") -> None:
    mde = Network.mde(Grey().eval(), 14)
    write_bundle(folder, "quick", version, mde, 9000, Network.refinement(refinement), {})


def test_a_bundle_takes_the_place_of_an_older_one_and_keeps_its_card(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    write_quick(folder, Mean())
    (folder / "MODEL_CARD.md").write_text("# Card\n")
    write_quick(folder, Mean(), version="2")
    assert ModelBundle.load(folder).version == "2"
    assert ModelBundle.load(folder).fp16 is None
    assert (folder / "MODEL_CARD.md").read_text() == "# Card\n"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_graph_that_computes_something_else_leaves_the_older_bundle_alone(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bundle"
    write_quick(folder, Mean())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    message = r"refinement.onnx differs from its network by 0\.01 in depth at a height of 64"
    with pytest.raises(GraphMismatchError, match=message):
        write_quick(folder, Wrong(), version="2")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds thesis\.txt"):
        write_quick(tmp_path, Mean())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_older_bundle_returns_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "mde.onnx").write_text("old")
    rename = Path.rename

    def refuse_new(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise OSError("no space left")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(OSError, match="no space left"), export._replacement(folder) as new:
        (new / "mde.onnx").write_text("new")
    assert (folder / "mde.onnx").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_differences_are_measured_in_the_units_of_each_output() -> None:
    ones = np.ones((1, 1, 2, 2), np.float32)
    depth, ramp = 10 * ones, np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    assert difference("depth", depth + 1, depth) == pytest.approx(0.1)
    assert difference("relative_depth", ramp + 0.3, ramp) == pytest.approx(0.1)
    assert difference("confidence", ones - 0.1, ones) == pytest.approx(0.1)
    assert difference("depth", ones, np.ones((1, 1, 2, 3), np.float32)) == np.inf
    assert np.isnan(difference("depth", depth * np.float32(np.nan), depth))
