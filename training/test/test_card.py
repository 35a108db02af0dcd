"""What the model card says of a bundle's graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from starrygazer_training.card import LIMITS, SMALL_MDE, _limits


def write_mde(folder: Path, numbers: int) -> None:
    weights = numpy_helper.from_array(np.zeros(numbers, np.float16), "weights")
    graph = helper.make_graph([], "mde", [], [], [weights])
    onnx.save(helper.make_model(graph), str(folder / "mde.onnx"))


@pytest.mark.parametrize(("numbers", "small"), [(2, True), (SMALL_MDE, False)])
def test_only_a_small_mde_is_called_small(tmp_path: Path, numbers: int, small: bool) -> None:
    write_mde(tmp_path, numbers)
    limits = _limits(tmp_path)
    assert ("The MDE is small" in limits) == small
    assert limits.endswith(LIMITS)
    assert all(line.startswith(("- ", "  ")) for line in limits.splitlines())
