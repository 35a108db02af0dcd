"""A tiny model bundle with a known answer, so that tests can assert depths.

``relative_depth`` is the image's mean over the channels, in 0..1. ``depth`` is the mean of the
sparse points times (1 + relative depth), unknown where the image is black; ``confidence`` is the
image's mean over the channels.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper

NAME, VERSION = "tiny", "0.0.1"
# Its depth contradicts most points, which is not under test.
PARAMETERS = {"diagnostics.max_contradicted_share": 0.0}
GREY = 51  # relative depth 0.2


def expected_depth(sparse_depth: np.ndarray, grey: int = GREY) -> float:
    """Depth [m] that the tiny bundle gives for an image of one grey level."""
    return float(sparse_depth[sparse_depth > 0].mean() * (1 + grey / 255)) if grey else np.nan


def write_tiny_bundle(folder: Path, troubled: bool = False) -> Path:
    """Write a complete bundle into a new folder and return it.

    Args:
        folder: to make.
        troubled: its engine computes for ever on a white image and fails on a black one.
    """
    from starrygazer_ros.completion import DepthCompleter

    folder.mkdir(parents=True)
    onnx.save(_troubled_mde() if troubled else _mde(), folder / "mde.onnx")
    onnx.save(_refinement(), folder / "refinement.onnx")
    (folder / "MODEL_CARD.md").write_text("# Tiny\n\nOnly for tests.\n", encoding="utf-8")
    golden = _golden_input()
    # The completer makes the golden output itself, so it needs a bundle before there is one.
    np.savez(folder / "golden.npz", **golden, depth=np.ones((64, 96), np.float32))
    _write_manifest(folder)
    result = DepthCompleter.from_bundle(folder, threads=1).complete(**golden)
    np.savez(folder / "golden.npz", **golden, depth=result.depth)
    _write_manifest(folder)
    return folder


def _write_manifest(folder: Path) -> None:
    files = ("MODEL_CARD.md", "golden.npz", "mde.onnx", "refinement.onnx")
    manifest = {
        "schema": 1,
        "name": NAME,
        "version": VERSION,
        "opset": 17,
        "mde": {
            "file": "mde.onnx",
            "multiple": 14,
            "minimum": 28,
            "maximum": 1400,
            "pixels": 10_000,
        },
        "refinement": {"file": "refinement.onnx", "multiple": 8, "minimum": 16, "maximum": 2048},
        "golden": {"file": "golden.npz", "tolerance": 5e-3},
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files},
    }
    text = yaml.safe_dump(manifest, sort_keys=False)
    (folder / "manifest.yaml").write_text(text, encoding="utf-8")


def _golden_input() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    image = random.integers(40, 256, (64, 96, 3), dtype=np.uint8)
    sparse_depth = np.zeros((64, 96), np.float32)
    sparse_depth[::8, ::4] = random.uniform(1, 20, (8, 24))
    return {"image": image, "sparse_depth": sparse_depth}


def _mde() -> onnx.ModelProto:
    node = helper.make_node("ReduceMean", ["image"], ["relative_depth"], axes=[1], keepdims=1)
    return _model("mde", [node], {"image": 3}, {"relative_depth": 1})


def _troubled_mde() -> onnx.ModelProto:
    """As :func:`_mde`; white makes a loop of years, black looks up what is not in a table."""
    node, tensor, info = helper.make_node, helper.make_tensor, helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Identity", ["go_in"], ["go_out"]), node("Sin", ["old"], ["new"])],
        "body",
        [
            info("round", TensorProto.INT64, []),
            info("go_in", TensorProto.BOOL, []),
            info("old", TensorProto.FLOAT, []),
        ],
        [info("go_out", TensorProto.BOOL, []), info("new", TensorProto.FLOAT, [])],
    )
    nodes = [
        node("ReduceMean", ["image"], ["mean"], keepdims=0),
        node("Greater", ["mean", "nearly_one"], ["is_white"]),
        node("Cast", ["is_white"], ["white"], to=TensorProto.INT64),
        node("Mul", ["white", "years"], ["rounds"]),
        node("Loop", ["rounds", "go", "zero"], ["looped"], body=body),
        node("Less", ["mean", "nearly_zero"], ["is_black"]),
        node("Cast", ["is_black"], ["black"], to=TensorProto.INT64),
        node("Gather", ["table", "black"], ["looked_up"]),
        node("Add", ["looped", "looked_up"], ["nothing"]),
        node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
        node("Add", ["grey", "nothing"], ["relative_depth"]),
    ]
    constants = [
        tensor("nearly_one", TensorProto.FLOAT, [], [0.99]),
        tensor("nearly_zero", TensorProto.FLOAT, [], [0.01]),
        tensor("years", TensorProto.INT64, [], [10**18]),
        tensor("go", TensorProto.BOOL, [], [True]),
        tensor("zero", TensorProto.FLOAT, [], [0.0]),
        tensor("table", TensorProto.FLOAT, [1], [0.0]),
    ]
    return _model("mde", nodes, {"image": 3}, {"relative_depth": 1}, constants)


def _refinement() -> onnx.ModelProto:
    node = helper.make_node
    nodes = [
        node("Greater", ["sparse_depth", "zero"], ["is_point"]),
        node("Cast", ["is_point"], ["points"], to=TensorProto.FLOAT),
        node("ReduceSum", ["points"], ["count"], keepdims=1),
        node("ReduceSum", ["sparse_depth"], ["sum"], keepdims=1),
        node("Div", ["sum", "count"], ["mean"]),
        node("Add", ["relative_depth", "one"], ["factor"]),
        node("Mul", ["mean", "factor"], ["everywhere"]),
        node("Greater", ["relative_depth", "zero"], ["is_known"]),
        node("Cast", ["is_known"], ["known"], to=TensorProto.FLOAT),
        node("Mul", ["everywhere", "known"], ["depth"]),
        node("ReduceMean", ["image"], ["confidence"], axes=[1], keepdims=1),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    inputs = {"image": 3, "relative_depth": 1, "sparse_depth": 1}
    return _model("refinement", nodes, inputs, {"depth": 1, "confidence": 1}, constants)


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, int],
    outputs: dict[str, int],
    constants: list[onnx.TensorProto] | None = None,
) -> onnx.ModelProto:
    def values(channels: dict[str, int]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, count, "height", "width"])
            for value, count in channels.items()
        ]

    graph = helper.make_graph(nodes, name, values(inputs), values(outputs), constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
