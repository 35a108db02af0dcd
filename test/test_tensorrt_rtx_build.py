"""TensorRT-RTX builds engines on a machine without a GPU: every graph that is shipped compiles."""

from __future__ import annotations

import onnx
import pytest

pytest.importorskip("tensorrt_rtx", reason="see make test-gpu-code")

import tensorrt_rtx as trt

from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.backends.tensorrt.building import BuildError, BuildOptions, build_plan
from starrygazer_ros.backends.tensorrt.loading import _shapes
from starrygazer_ros.backends.tensorrt.platform import import_tensorrt
from starrygazer_ros.completion import ModelBundle


def build(path, shapes, said):
    return build_plan(trt, path.read_bytes(), shapes, BuildOptions(), path.name, said.append)


@pytest.mark.parametrize("graph", ["mde", "refinement"])
def test_the_graphs_of_the_default_bundle_compile_for_all_sizes(graph):
    bundle, said = ModelBundle.load("default"), []
    shapes = _shapes(bundle, graph, EngineOptions())
    for precision in (bundle, bundle.fp16):
        if precision is not None:
            plan = build(getattr(precision, graph).path, shapes, said)
            assert len(plan) > 100_000
    assert any("takes seconds to minutes" in line for line in said)


def test_a_graph_with_an_operator_that_is_none_is_refused_with_its_name(tiny_bundle, tmp_path):
    graph = onnx.load(tiny_bundle / "mde.onnx")
    graph.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(graph, tmp_path / "bad.onnx")
    shapes = _shapes(ModelBundle.load(tiny_bundle), "mde", EngineOptions())
    with pytest.raises(BuildError, match="NoSuchOperator"):
        build(tmp_path / "bad.onnx", shapes, [])


def test_mixed_precisions_are_refused(tiny_bundle, tmp_path):
    """A strongly typed network casts nothing by itself."""
    graph = onnx.load(tiny_bundle / "refinement.onnx")
    constant = next(c for c in graph.graph.initializer if c.name == "one")
    constant.CopyFrom(onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT16, [1], [1.0]))
    onnx.save(graph, tmp_path / "mixed.onnx")
    shapes = _shapes(ModelBundle.load(tiny_bundle), "refinement", EngineOptions())
    with pytest.raises(BuildError):
        build(tmp_path / "mixed.onnx", shapes, [])


def test_the_package_is_found_by_the_name_of_its_back_end():
    assert import_tensorrt("tensorrt_rtx") is trt
