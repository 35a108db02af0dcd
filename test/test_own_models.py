"""Two networks as users bring them: one of any size, one of a fixed size that gives depth."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("onnx.compose", reason="onnx is needed: see requirements/")
pytest.importorskip("skimage", reason="the sample is in scikit-image")

import onnx
from onnx import TensorProto, compose, helper

from starrygazer_ros.cli import main
from starrygazer_ros.completion import DepthCompleter, ModelBundle
from starrygazer_ros.demo.photographs import motorcycle
from starrygazer_ros.demo.scan_lines import scan_lines

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def constant(name, values):
    return onnx.numpy_helper.from_array(np.asarray(values), name)


def around(network, before, after, constants, size=("height", "width"), rank=4):
    """The network with nodes before and after it; its own names get a prefix."""
    inner = compose.add_prefix(network, "net_")
    opset = inner.opset_import[0].version
    ir = inner.ir_version

    def part(name, nodes, first, last, channels, shape):
        used = {name for node in nodes for name in node.input}
        weights = [entry for entry in constants if entry.name in used]
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(first, TensorProto.FLOAT, [1, channels, *size])],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)],
            weights,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir
        )

    first = part("first", before, "pixels", "rgb", 3, [1, 3, *size])
    last = part("last", after, "inverse", "out", 1, [1, *size] if rank == 3 else [1, 1, *size])
    model = compose.merge_models(first, inner, io_map=[("rgb", "net_image")])
    return compose.merge_models(model, last, io_map=[("net_relative_depth", "inverse")])


@pytest.fixture(scope="session")
def default_mde():
    return onnx.load(ModelBundle.load("default").mde.path)


@pytest.fixture(scope="session")
def any_size(default_mde, tmp_path_factory):
    """As Depth Anything is exported: ImageNet's normalisation, [1, h, w], larger = nearer."""
    before = [
        helper.make_node("Mul", ["pixels", "deviation"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["rgb"]),
    ]
    after = [helper.make_node("Squeeze", ["inverse", "channel"], ["out"])]
    constants = [
        constant("mean", np.reshape(MEAN, (1, 3, 1, 1)).astype(np.float32)),
        constant("deviation", np.reshape(DEVIATION, (1, 3, 1, 1)).astype(np.float32)),
        constant("channel", np.array([1])),
    ]
    path = tmp_path_factory.mktemp("networks") / "any_size.onnx"
    onnx.save(around(default_mde, before, after, constants, rank=3), path)
    return path


@pytest.fixture(scope="session")
def fixed_size(default_mde, tmp_path_factory):
    """Takes 0..255 at 224x288 and gives something like depth: larger = farther."""
    before = [helper.make_node("Div", ["pixels", "levels"], ["rgb"])]
    after = [
        helper.make_node("Neg", ["inverse"], ["far"]),
        helper.make_node("Exp", ["far"], ["out"]),
    ]
    constants = [constant("levels", np.float32(255))]
    path = tmp_path_factory.mktemp("networks") / "fixed_size.onnx"
    onnx.save(around(default_mde, before, after, constants, size=(224, 288)), path)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def sample():
    photograph = motorcycle()
    return photograph.image, scan_lines(photograph.depth, 32, photograph.intrinsics)


def test_a_network_of_any_size_becomes_a_bundle_that_is_found_by_name(any_size, home, capsys):
    assert main(["models", "add", "mine", "--mde", str(any_size)]) == 0
    said = capsys.readouterr().out
    assert "takes ImageNet, gives inverse depth" in said
    bundle = ModelBundle.load("mine")
    assert bundle.path == home / "starrygazer_ros" / "models" / "mine"
    completer = DepthCompleter(bundle, "onnxruntime")
    assert completer.self_check() == 0
    # It is the default network in other clothes, so the depth is nearly the default's.
    image, sparse_depth = sample()
    mine = completer.complete(image, sparse_depth)
    default = DepthCompleter.from_bundle("default", "onnxruntime").complete(image, sparse_depth)
    known = np.isfinite(mine.depth) & np.isfinite(default.depth)
    assert np.median(np.abs(mine.depth - default.depth)[known]) < 0.02
    assert main(["models", "list"]) == 0
    assert "mine: mine " in capsys.readouterr().out
    card = (bundle.path / "MODEL_CARD.md").read_text()
    assert "any_size.onnx, SHA-256" in card
    assert "| ImageNet | +0." in card


def test_beside_the_refinement_of_a_resized_bundle_it_works_in_that_size(any_size, home, tmp_path):
    small = tmp_path / "small"
    assert main(["models", "resize", "default", str(small), "--pixels", "5000"]) == 0
    arguments = ["--mde", str(any_size), "--refinement", str(small)]
    assert main(["models", "add", "mine", *arguments]) == 0  # checked in the golden input's size
    assert ModelBundle.load("mine").working_pixels == 5000


def test_a_refinement_that_does_not_look_at_relative_depth_is_refused(any_size, home, capsys):
    arguments = ["--mde", str(any_size), "--refinement", "instant"]
    assert main(["models", "add", "mine", *arguments]) != 0
    assert "'instant' does not look at relative depth" in capsys.readouterr().err
    assert not (home / "starrygazer_ros" / "models" / "mine").exists()


def test_a_network_of_a_fixed_size_that_gives_depth_is_turned_round(fixed_size, home, capsys):
    assert main(["models", "add", "fixed", "--mde", str(fixed_size)]) == 0
    assert "takes 0..255, gives depth (rank correlation 0." in capsys.readouterr().out
    bundle = ModelBundle.load("fixed")
    assert bundle.mde_pixels == 224 * 288
    image, sparse_depth = sample()
    result = DepthCompleter(bundle, "onnxruntime").complete(image, sparse_depth)
    near, far = sparse_depth[sparse_depth > 0].min(), sparse_depth.max()
    assert 0.5 * near < np.nanmin(result.depth) < np.nanmax(result.depth) < 2 * far
    corner = DepthCompleter(bundle, "onnxruntime").complete(
        image[:201, :333], sparse_depth[:201, :333]
    )
    assert corner.depth.shape == (201, 333)


def test_says_how_good_it_is_beside_the_bundle_it_comes_from(any_size, home, capsys):
    main(["models", "add", "mine", "--mde", str(any_size), "--pixels", "65536"])
    said = capsys.readouterr().out
    mine, default = (float(number) for number in re.findall(r"([\d.]+) m\b", said))
    assert 0 < mine == pytest.approx(default, rel=0.1)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda m: m.graph.output[0].type.tensor_type.shape.dim.add(), "a map is"),
        (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 10), "float32"),
        (lambda m: m.graph.input.append(m.graph.output[0]), "one, the image"),
        (lambda m: setattr(m.opset_import[0], "version", 9), "opset 13"),
    ],
)
def test_a_network_of_another_kind_is_refused_with_the_reason(
    default_mde, tmp_path, home, capsys, monkeypatch, change, part
):
    model = onnx.ModelProto()
    model.CopyFrom(default_mde)
    change(model)
    monkeypatch.setattr(
        onnx.checker, "check_model", lambda *_: None
    )  # what it refuses is told, too
    onnx.save(model, tmp_path / "other.onnx")
    assert main(["models", "add", "other", "--mde", str(tmp_path / "other.onnx")]) == 2
    assert part in capsys.readouterr().err
    assert not (home / "starrygazer_ros").exists()


def test_a_network_that_knows_nothing_of_depth_is_refused(tiny_bundle, home, capsys):
    """Its output is the brightness of the image."""
    assert main(["models", "add", "grey", "--mde", str(tiny_bundle / "mde.onnx")]) == 2
    error = capsys.readouterr().err
    assert "has little to do with the measured depth" in error
    assert "ImageNet" in error


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["a/b", "--mde", "x.onnx"], "is no name"),
        (["x", "--mde", "missing.onnx"], "missing.onnx is no ONNX graph"),
        (["x", "--mde", "x.onnx", "--sample", "no.png", "no.npy"], "no.png"),
    ],
)
def test_wrong_arguments_are_told(home, capsys, arguments, part):
    assert main(["models", "add", *arguments]) == 2
    assert part in capsys.readouterr().err


def test_a_bundle_that_is_there_stays(any_size, home, capsys):
    folder = home / "starrygazer_ros" / "models" / "mine"
    folder.mkdir(parents=True)
    assert main(["models", "add", "mine", "--mde", str(any_size)]) == 2
    assert "exists: choose another name" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
