"""ONNX graphs that are damaged, or are whole and something else than the contract says."""

from __future__ import annotations

from typing import Any

import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper

from robustness.damage import damaged

WEIGHTS = "weights.bin"  # lies in the current folder, and must not be read
_TYPES = (*range(24), 99)
_OPERATORS = (
    "Relu",
    "Sqrt",
    "Log",
    "Not",
    "Identity",
    "Shape",
    "Size",
    "NonZero",
    "Nothing",
    "Loop",
)
_DIMENSIONS = st.one_of(
    st.sampled_from([0, 1, 2, 3, 64, 96, -1, 2**31, 2**40, 2**62, -(2**63)]), st.integers(0, 9)
)
_BEHIND = (
    *("cast", "cast", "squeeze", "flat", "crop", "row", "shape", "double", "empty"),
    *("expand", "huge", "nan", "nested", "external", "sequence", "string"),
)
_CHANGES = (
    *("type", "dimensions", "rename", "remove", "operator", "wire", "attribute"),
    *("constant", "constant", "version", "domain", "twice", "behind", "behind", "behind"),
)


@st.composite
def graphs(draw: st.DrawFn, good: dict[str, bytes]) -> tuple[str, bytes]:
    """Name of a graph and its content.

    Args:
        draw: of Hypothesis.
        good: graphs by name.
    """
    name = draw(st.sampled_from(sorted(good)))
    if draw(st.integers(0, 2)) == 0:
        return name, draw(damaged([good[name]], most=3))
    model = onnx.load_from_string(good[name])
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, model, draw(st.sampled_from(_CHANGES)))
    content = model.SerializeToString()
    return name, draw(damaged([content], most=2)) if draw(st.integers(0, 5)) == 0 else content


def _change(draw: st.DrawFn, model: Any, change: str) -> None:
    graph = model.graph
    values = [*graph.input, *graph.output]
    value = draw(st.sampled_from(values)) if values else None
    node = draw(st.sampled_from(list(graph.node))) if graph.node else None
    if change == "version":
        model.opset_import[0].version = draw(st.sampled_from([0, 1, 7, 13, 18, 25, 99, -1, 2**40]))
        model.ir_version = draw(st.sampled_from([0, 3, 8, 10, 99, -1]))
    elif change == "domain":
        model.opset_import[0].domain = draw(
            st.sampled_from(["", "com.microsoft", "nobody", "é" * 99])
        )
    elif change == "constant":
        _change_constant(draw, graph)
    elif change == "behind":
        _put_behind(draw, model, draw(st.sampled_from(_BEHIND)))
    elif value is not None and change == "type":
        value.type.tensor_type.elem_type = draw(st.sampled_from(_TYPES))
    elif value is not None and change == "dimensions":
        shape = value.type.tensor_type.shape
        del shape.dim[draw(st.integers(0, 4)) :]
        for size in draw(st.lists(_DIMENSIONS, max_size=5)):
            shape.dim.add().dim_value = size
    elif value is not None and change == "rename":
        value.name = draw(st.sampled_from([*(v.name for v in values), "other", "", "\n" * 50]))
    elif node is not None:
        _change_node(draw, graph, node, change)


def _change_node(draw: st.DrawFn, graph: Any, node: Any, change: str) -> None:
    names = [name for other in graph.node for name in (*other.input, *other.output)] or [""]
    if change == "operator":
        node.op_type = draw(st.sampled_from([*_OPERATORS, *(n.op_type for n in graph.node)]))
    elif change == "wire" and (node.input or node.output):
        ends = node.input if node.input and draw(st.booleans()) else node.output
        if ends:
            ends[draw(st.integers(0, len(ends) - 1))] = draw(
                st.sampled_from([*names, "", "nobody"])
            )
    elif change == "attribute":
        attribute = node.attribute.add()
        attribute.name = draw(st.sampled_from(["axes", "keepdims", "to", "body", "x"]))
        attribute.type = draw(st.integers(0, 14))
        attribute.i = draw(_DIMENSIONS)
        attribute.ints.extend(draw(st.lists(_DIMENSIONS, max_size=3)))
    elif change == "twice":
        graph.node.add().CopyFrom(node)
    elif change == "remove":
        part = draw(st.sampled_from([graph.node, graph.input, graph.output, graph.initializer]))
        if part:
            del part[draw(st.integers(0, len(part) - 1))]


def _change_constant(draw: st.DrawFn, graph: Any) -> None:
    if not graph.initializer:
        return
    constant = draw(st.sampled_from(list(graph.initializer)))
    change = draw(st.sampled_from(["dims", "type", "data", "external", "name"]))
    if change == "dims":
        del constant.dims[:]
        constant.dims.extend(draw(st.lists(_DIMENSIONS, max_size=4)))
    elif change == "type":
        constant.data_type = draw(st.sampled_from(_TYPES))
    elif change == "data":
        constant.raw_data = draw(st.binary(max_size=40))
    elif change == "external":
        _make_external(draw, constant)
    else:
        constant.name = draw(st.sampled_from(["image", "depth", "relative_depth", ""]))


def _make_external(draw: st.DrawFn, constant: Any) -> None:
    """Its numbers lie in another file, which nobody has verified."""
    for field in ("float_data", "int64_data", "raw_data"):
        constant.ClearField(field)
    constant.data_location = TensorProto.EXTERNAL
    places = [
        WEIGHTS,
        f"./{WEIGHTS}",
        f"../{WEIGHTS}",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/mem",
    ]
    entries = {
        "location": draw(st.sampled_from([*places, WEIGHTS, WEIGHTS, "*/_ORT_MEM_ADDR_/*"])),
        "offset": draw(st.sampled_from(["0", "0", "4096", "-1", "1" * 30, "x"])),
        "length": draw(st.sampled_from(["1024", "1024", "0", str(2**40), "-1", "x"])),
    }
    for key, text in entries.items():
        entry = constant.external_data.add()
        entry.key, entry.value = key, text


def _put_behind(draw: st.DrawFn, model: Any, what: str) -> None:  # noqa: C901
    """An output becomes something else of the same name."""
    graph = model.graph
    if not graph.output:
        return
    output = draw(st.sampled_from(list(graph.output)))
    name, inner = output.name, f"{output.name}_inner_{len(graph.node)}"
    for node in graph.node:
        for ends in (node.input, node.output):
            for index, end in enumerate(ends):
                if end == name:
                    ends[index] = inner
    output.type.tensor_type.ClearField("shape")

    def numbers(label: str, *values: int) -> str:
        label = f"{label}_{len(graph.node)}"
        graph.initializer.append(
            helper.make_tensor(label, TensorProto.INT64, [len(values)], values)
        )
        return label

    def add(operator: str, *inputs: str, **attributes: Any) -> None:
        graph.node.append(helper.make_node(operator, list(inputs), [name], **attributes))

    if what == "cast":
        kind = draw(st.sampled_from([k for k in range(1, 17) if k != TensorProto.STRING]))
        output.type.tensor_type.elem_type = kind
        add("Cast", inner, to=kind)
    elif what == "string":
        output.type.tensor_type.elem_type = TensorProto.STRING
        add("Cast", inner, to=TensorProto.STRING)
    elif what == "squeeze":
        add("Squeeze", inner)
    elif what == "flat":
        add("Flatten", inner)
    elif what in ("crop", "row"):
        start = numbers("start", *(0, 0, 0, 0))
        end = numbers("end", *((1, 9, 40, 50) if what == "crop" else (1, 1, 1, 9999)))
        add("Slice", inner, start, end)
    elif what == "double":
        add("Concat", inner, inner, axis=draw(st.integers(-1, 3)))
    elif what == "shape":
        output.type.tensor_type.elem_type = TensorProto.INT64
        add("Shape", inner)
    elif what == "empty":
        add("Slice", inner, numbers("start", 0, 0, 0, 0), numbers("end", 1, 1, 0, 0))
    elif what in ("expand", "huge"):
        wanted = (7, 1, 1, 1) if what == "expand" else (2**20, 2**10, 1, 1)
        add("Expand", inner, numbers("shape", *wanted))
    elif what == "nan":
        add("Log", inner)
    elif what == "sequence":
        output.Clear()
        output.name = name
        output.type.sequence_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
        add("SequenceConstruct", inner)
    elif what == "nested":
        add(
            "If",
            _nested(draw, graph, inner),
            then_branch=_branches(inner),
            else_branch=_branches(inner),
        )
    else:  # weights that are as good as they were, but in another file
        weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[1, 1, 1, 1])
        _make_external(draw, weight)
        graph.initializer.append(weight)
        add("Conv", inner, "weight")


def _nested(draw: st.DrawFn, graph: Any, inner: str) -> str:
    graph.initializer.append(helper.make_tensor("go", TensorProto.BOOL, [], [draw(st.booleans())]))
    return "go"


def _branches(inner: str) -> Any:
    """A graph in a graph, 20 times: protobuf reads no more than 100 levels."""
    output = helper.make_tensor_value_info("branch_0", TensorProto.FLOAT, None)
    nodes = [helper.make_node("Identity", [inner], ["branch_0"])]
    made = helper.make_graph(nodes, "branch", [], [output])
    for depth in range(1, 20):
        output = helper.make_tensor_value_info(f"branch_{depth}", TensorProto.FLOAT, None)
        node = helper.make_node(
            "If", ["go"], [f"branch_{depth}"], then_branch=made, else_branch=_leaf(inner, depth)
        )
        made = helper.make_graph([node], "branch", [], [output])
    return made


def _leaf(inner: str, depth: int) -> Any:
    output = helper.make_tensor_value_info(f"leaf_{depth}", TensorProto.FLOAT, None)
    return helper.make_graph(
        [helper.make_node("Identity", [inner], [f"leaf_{depth}"])], "leaf", [], [output]
    )
