from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="counting parameters needs onnx")
import onnx

from benchmarks.parameter_counts import parameters
from starrygazer_ros.completion import ModelBundle


def test_counts_the_initialisers_of_both_graphs(tiny_bundle: Path) -> None:
    """Its MDE has none, its refinement the two constants 0 and 1."""
    assert parameters(ModelBundle.load(tiny_bundle)) == {"mde": 0, "refinement": 2}


def test_weights_of_every_precision_count_but_shapes_do_not(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    arrays = {
        "float": np.zeros((3, 4), np.float32),
        "half": np.zeros(5, np.float16),
        "quantised": np.zeros((2, 2), np.int8),
        "shape": np.zeros(7, np.int64),
    }
    graph = onnx.helper.make_graph(
        [], "g", [], [], [onnx.numpy_helper.from_array(a, name) for name, a in arrays.items()]
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "g.onnx")
    bundle = ModelBundle.load(tiny_bundle)
    changed = replace(bundle, mde=replace(bundle.mde, path=tmp_path / "g.onnx"))

    assert parameters(changed)["mde"] == 12 + 5 + 4
