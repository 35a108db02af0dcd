"""What an engine gives is compared with the contract: only running a graph shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from starrygazer_ros.completion import BundleGraphError, ModelBundle
from starrygazer_ros.completion.pipelines import HostPipeline
from starrygazer_ros.completion.stage_clock import StageClock

SIZE = 64, 96
IMAGE, SPARSE_DEPTH = np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.float32)
GOOD = np.ones((1, 1, *SIZE), np.float32)


class FakeEngine:
    description = "fake"

    def __init__(self, inputs, **outputs):
        self.inputs, self.outputs = frozenset(inputs), frozenset(outputs)
        self._outputs = outputs

    def run(self, inputs):
        return self._outputs


def run(tiny_bundle: Path, relative_depth=GOOD, depth=GOOD, confidence=GOOD):
    mde = FakeEngine(["image"], relative_depth=relative_depth)
    names = ["image", "relative_depth", "sparse_depth"]
    refinement = FakeEngine(names, depth=depth, confidence=confidence)
    pipeline = HostPipeline(ModelBundle.load(tiny_bundle), mde, refinement)
    return pipeline.run(IMAGE, SPARSE_DEPTH, StageClock())


def test_relative_depth_of_any_size_is_taken(tiny_bundle: Path) -> None:
    found = run(tiny_bundle, relative_depth=np.ones((1, 1, 7, 9), np.float32))
    assert found.relative_depth.shape == SIZE


@pytest.mark.parametrize("output", ["relative_depth", "depth", "confidence"])
@pytest.mark.parametrize(
    "given",
    [
        GOOD[0, 0],
        GOOD[None],
        GOOD.astype(np.float64),
        GOOD.astype(str),
        GOOD[..., :0],
        np.ones((2, 1, *SIZE), np.float32),
        np.ones((), np.float32),
        [GOOD],  # a sequence
    ],
    ids=["2D", "5D", "float64", "strings", "nothing", "two", "a number", "a sequence"],
)
def test_an_output_of_another_form_is_told(tiny_bundle: Path, output: str, given: object) -> None:
    with pytest.raises(BundleGraphError, match=f"the graph gives {output} as .* expected float32"):
        run(tiny_bundle, **{output: given})


@pytest.mark.parametrize("output", ["depth", "confidence"])
def test_an_output_of_another_size_is_told(tiny_bundle: Path, output: str) -> None:
    with pytest.raises(BundleGraphError, match=r"float32 \[1, 1, 64, 95\], expected"):
        run(tiny_bundle, **{output: GOOD[..., 1:]})
