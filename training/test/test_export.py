"""Exported graphs: any size of the stated multiple, the same numbers as PyTorch, few operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from starrygazer_training.export import golden_input, write_bundle
from starrygazer_training.refinement import MULTIPLE, Refinement
from starrygazer_training.student import MULTIPLE as MDE_MULTIPLE
from starrygazer_training.student import Student

from starrygazer_ros.completion import DepthCompleter

# Operators that TensorRT refuses or that have no static shape.
BANNED = {"NonZero", "ScatterElements", "ScatterND", "Loop", "If", "Scan", "GridSample", "Unique"}


@pytest.fixture(scope="module")
def networks() -> tuple[Student, Refinement]:
    torch.manual_seed(0)
    return Student().eval(), Refinement().eval()


@pytest.fixture(scope="module")
def bundle(networks: tuple[Student, Refinement], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "untrained"
    mde, refinement = networks
    write_bundle(
        folder, "untrained", "0.0.0", mde, MDE_MULTIPLE, 65536, refinement, MULTIPLE, {"steps": 0}
    )
    return folder


@pytest.mark.parametrize("size", [(64, 64), (96, 320), (224, 160)])
def test_graphs_compute_what_pytorch_computes_at_any_size(
    networks: tuple[Student, Refinement], bundle: Path, size: tuple[int, int]
) -> None:
    mde, refinement = networks
    torch.manual_seed(1)
    image, relative = torch.rand(1, 3, *size), torch.rand(1, 1, *size)
    sparse = (1 + torch.rand(1, 1, *size)) * (torch.rand(1, 1, *size) < 0.05)
    with torch.inference_mode():
        expected = [mde(image), *refinement(image, relative, sparse)]
    feeds = {"image": image, "relative_depth": relative, "sparse_depth": sparse}
    actual = []
    for name, inputs in (("mde", ["image"]), ("refinement", list(feeds))):
        session = onnxruntime.InferenceSession(
            bundle / f"{name}.onnx", providers=["CPUExecutionProvider"]
        )
        actual += session.run(None, {k: feeds[k].numpy() for k in inputs})
    for value, reference in zip(actual, expected, strict=True):
        np.testing.assert_allclose(value, reference.numpy(), rtol=2e-3, atol=2e-4)


def test_graphs_use_only_operators_that_tensorrt_takes(bundle: Path) -> None:
    for name in ("mde", "refinement"):
        model = onnx.load(bundle / f"{name}.onnx")
        assert {entry.domain: entry.version for entry in model.opset_import}[""] == 18
        assert not {node.op_type for node in model.graph.node} & BANNED


def test_exported_graphs_do_not_tell_where_they_were_made(bundle: Path) -> None:
    for name in ("mde.onnx", "refinement.onnx"):
        assert b".py" not in (bundle / name).read_bytes()


def test_bundle_passes_its_own_self_check(bundle: Path) -> None:
    completer = DepthCompleter.from_bundle(bundle)
    assert completer.self_check() <= completer.bundle.golden_tolerance


def test_golden_input_is_sparse() -> None:
    image, sparse = golden_input()
    assert image.shape[:2] == sparse.shape
    assert 0.01 < (sparse > 0).mean() < 0.1
