"""Whether a loaded pipeline computes on this machine what the bundle says."""

from __future__ import annotations

import numpy as np

from starrygazer_ros.completion.bundle import ModelBundle
from starrygazer_ros.completion.errors import SelfCheckError
from starrygazer_ros.completion.pipelines import Pipeline
from starrygazer_ros.completion.stage_clock import StageClock


def self_check(pipeline: Pipeline, bundle: ModelBundle) -> float:
    """Complete the bundle's golden input and compare with its stored output.

    Args:
        pipeline: with the engines of the bundle.
        bundle: with the golden pair.

    Returns:
        The largest relative depth difference.

    Raises:
        SelfCheckError: the difference is above the bundle's tolerance or not finite.
        InferenceError: the back end failed.
    """
    golden = bundle.golden()
    depth = pipeline.run(golden.image, golden.sparse_depth, StageClock(), False).depth
    with np.errstate(over="ignore"):  # an infinite difference is one
        difference = float(np.max(np.abs(depth - golden.depth) / golden.depth))
    if not difference <= golden.tolerance:  # also catches NaN
        raise SelfCheckError(
            f"{pipeline.description} differs from the reference output of bundle "
            f"'{bundle.name}' by {difference:.2g} (allowed {golden.tolerance:.2g}): "
            "use another back end and report this"
        )
    return difference
