"""How many numbers a bundle has learnt."""

from __future__ import annotations

import math
from pathlib import Path

import onnx

from starrygazer_ros.completion import ModelBundle

_WEIGHT_TYPES = {
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.INT8,
    onnx.TensorProto.UINT8,
}


def parameters(bundle: ModelBundle) -> dict[str, int]:
    """Elements of the initialisers of each graph, as ``mde`` and ``refinement``.

    Floating-point and 8-bit tensors count; integers of other sizes are shapes and indices. Fixed
    tables, such as a mean to subtract, count as well: the graphs do not tell them from weights.
    """
    return {"mde": _count(bundle.mde.path), "refinement": _count(bundle.refinement.path)}


def _count(path: Path) -> int:
    graph = onnx.load(path, load_external_data=False).graph
    return sum(math.prod(t.dims) for t in graph.initializer if t.data_type in _WEIGHT_TYPES)
