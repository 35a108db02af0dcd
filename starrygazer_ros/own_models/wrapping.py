"""A user's monocular network inside a graph that keeps the contract of a bundle's ``mde.onnx``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper

from starrygazer_ros.completion.errors import in_one_line
from starrygazer_ros.own_models.errors import OwnModelError

OLDEST_OPSET = 13
SMALLEST_DEPTH = 1e-6  # of a network that gives depth; its inverse stays finite
_PREFIX = "user_"


@dataclass(frozen=True)
class Normalisation:
    """What a network expects of an image: ``(factor * rgb - mean) / deviation``, rgb in 0..1.

    Attributes:
        name: for people.
        factor: of rgb.
        mean: of each channel.
        deviation: of each channel.
    """

    name: str
    factor: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


NORMALISATIONS = (
    Normalisation("0..1", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    Normalisation("ImageNet", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    Normalisation("-1..1", 1.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    Normalisation("0..255", 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)


@dataclass(frozen=True)
class Network:
    """A user's network.

    Attributes:
        model: the graph.
        input: name of its only input.
        output: name of the output that is taken.
        rank: dimensions of the output, 3 or 4.
        size: height and width that it takes, ``None`` = any.
    """

    model: onnx.ModelProto
    input: str
    output: str
    rank: int
    size: tuple[int, int] | None


def read_network(path: Path, output: str | None = None) -> Network:
    """Read and check a network.

    Args:
        path: ONNX file without external data.
        output: name of the output to take; needed only if there are several.

    Raises:
        OwnModelError: it has other inputs or outputs than an image and a map; says which.
    """
    try:
        model = onnx.load(path, load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's, onnx's and the system's
        raise OwnModelError(f"{path} is no ONNX graph ({in_one_line(error)})") from error
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < OLDEST_OPSET:
        raise OwnModelError(
            f"{path} is of opset {opset}: export it with opset {OLDEST_OPSET} or newer"
        )
    weights = {entry.name for entry in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    if len(inputs) != 1:
        raise OwnModelError(
            f"{path} has the inputs {_names(inputs)}: a monocular network has one, the image"
        )
    shape = _shape(inputs[0])
    if len(shape) != 4 or shape[1] != 3 or shape[0] not in (None, 1):
        raise OwnModelError(
            f"{path} takes {inputs[0].name} {_text(shape)}: an image is [1, 3, height, width]"
        )
    if inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise OwnModelError(f"{path} does not take float32: export it with float32 inputs")
    chosen = [entry for entry in model.graph.output if output in (None, entry.name)]
    if len(chosen) != 1:
        raise OwnModelError(
            f"{path} has the outputs {_names(model.graph.output)}: say with --mde-output which one "
            "is the depth"
        )
    rank = len(_shape(chosen[0]))
    if rank not in (3, 4):
        raise OwnModelError(
            f"{path} gives {chosen[0].name} {_text(_shape(chosen[0]))}: a map is "
            "[1, height, width] or [1, 1, height, width]"
        )
    height, width = shape[2], shape[3]
    if (height is None) != (width is None):
        raise OwnModelError(f"{path} takes images of {_text(shape)}: fix both sides or neither")
    size = None if height is None or width is None else (height, width)
    return Network(model, inputs[0].name, chosen[0].name, rank, size)


def wrap(network: Network, normalisation: Normalisation, gives_depth: bool) -> onnx.ModelProto:
    """The network between ``image`` and ``relative_depth`` as the contract has them.

    Args:
        network: the user's.
        normalisation: what it expects.
        gives_depth: larger = farther, so that its inverse is taken.
    """
    opsets = [entry for entry in network.model.opset_import if entry.domain in ("", "ai.onnx")]
    version = opsets[0].version
    inner = compose.add_prefix(network.model, _PREFIX)
    before = _before(network, normalisation, version, inner.ir_version)
    after = _after(network, gives_depth, version, inner.ir_version)
    first = compose.merge_models(
        before,
        inner,
        io_map=[("normalised", _PREFIX + network.input)],
        outputs=[_PREFIX + network.output, "size"],
    )
    whole = compose.merge_models(
        first, after, io_map=[(_PREFIX + network.output, "map"), ("size", "wanted_size")]
    )
    whole.graph.name = "mde"
    onnx.checker.check_model(whole)
    return whole


def _before(network: Network, norm: Normalisation, opset: int, ir: int) -> onnx.ModelProto:
    """Normalised image of the network's size, and the size that the map shall have."""
    node = helper.make_node
    mean, deviation = (np.reshape(v, (1, 3, 1, 1)) for v in (norm.mean, norm.deviation))
    constants = {
        "factor": np.asarray(norm.factor / deviation, np.float32),
        "offset": np.asarray(mean / deviation, np.float32),
        "sides": np.array([2, 3], np.int64),
    }
    nodes = [node("Shape", ["image"], ["shape"]), node("Gather", ["shape", "sides"], ["size"])]
    resized = "image"
    if network.size is not None:
        constants["network_size"] = np.array([1, 3, *network.size], np.int64)
        nodes.append(_resize("image", "network_size", "resized"))
        resized = "resized"
    nodes += [
        node("Mul", [resized, "factor"], ["scaled"]),
        node("Sub", ["scaled", "offset"], ["normalised"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])
    height, width = network.size or ("height", "width")
    outputs = [
        helper.make_tensor_value_info("normalised", TensorProto.FLOAT, [1, 3, height, width]),
        helper.make_tensor_value_info("size", TensorProto.INT64, [2]),
    ]
    return _model("before", nodes, [image], outputs, constants, opset, ir)


def _after(network: Network, gives_depth: bool, opset: int, ir: int) -> onnx.ModelProto:
    """Relative inverse depth of the image's size."""
    node = helper.make_node
    constants = {
        "one_map": np.array([1, 1], np.int64),
        "channel": np.array([1], np.int64),
        "smallest": np.array(SMALLEST_DEPTH, np.float32),
    }
    nodes = []
    values = "map"
    if network.rank == 3:
        nodes.append(node("Unsqueeze", ["map", "channel"], ["with_channel"]))
        values = "with_channel"
    if gives_depth:
        nodes += [
            node("Max", [values, "smallest"], ["positive"]),
            node("Reciprocal", ["positive"], ["inverse"]),
        ]
        values = "inverse"
    nodes += [
        node("Concat", ["one_map", "wanted_size"], ["map_size"], axis=0),
        _resize(values, "map_size", "relative_depth"),
    ]
    shape = [1, None, None] if network.rank == 3 else [1, 1, None, None]
    inputs = [
        helper.make_tensor_value_info("map", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("wanted_size", TensorProto.INT64, [2]),
    ]
    output = helper.make_tensor_value_info(
        "relative_depth", TensorProto.FLOAT, [1, 1, "height", "width"]
    )
    return _model("after", nodes, inputs, [output], constants, opset, ir)


def _resize(values: str, size: str, result: str) -> onnx.NodeProto:
    return helper.make_node(
        "Resize",
        [values, "", "", size],
        [result],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray],
    opset: int,
    ir: int,
) -> onnx.ModelProto:
    used = {name for node in nodes for name in node.input}
    weights = [
        onnx.numpy_helper.from_array(value, name)
        for name, value in constants.items()
        if name in used
    ]
    graph = helper.make_graph(nodes, name, inputs, outputs, weights)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir)


def _shape(entry: onnx.ValueInfoProto) -> list[int | None]:
    dimensions = entry.type.tensor_type.shape.dim
    return [d.dim_value if d.HasField("dim_value") else None for d in dimensions]


def _text(shape: list[int | None]) -> str:
    return f"[{', '.join('any' if side is None else str(side) for side in shape)}]"


def _names(entries: list[onnx.ValueInfoProto]) -> str:
    return ", ".join(entry.name for entry in entries) or "none"
