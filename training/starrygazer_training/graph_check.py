"""Whether an exported graph computes what the network computes, at every kind of size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from starrygazer_ros import backends
from starrygazer_ros.completion.errors import BundleError

REFERENCE_BACKEND = "onnxruntime"


class GraphMismatchError(BundleError):
    """An exported graph computes something else than the network that it was exported from."""


@torch.inference_mode()
def check_graph(
    path: Path,
    model: nn.Module,
    outputs: Sequence[str],
    examples: Iterable[Mapping[str, Tensor]],
    bound: float,
) -> float:
    """Compare a graph in ONNX Runtime on the CPU with the float32 network in PyTorch.

    Args:
        path: ONNX file.
        model: the network, in evaluation mode.
        outputs: names of its outputs.
        examples: inputs by name, in the order in which the network takes them.
        bound: largest difference that is allowed, see :func:`difference`.

    Returns:
        The largest difference.

    Raises:
        GraphMismatchError: a difference is above the bound or not a number; the message names the
            output and the size.
        BackendUnavailableError: ONNX Runtime does not take the graph.
    """
    engine = backends.load_engine(
        path.read_bytes(), str(path), REFERENCE_BACKEND, torch.get_num_threads()
    )
    largest = 0.0
    for example in examples:
        results = model(*example.values())
        expected = (results,) if isinstance(results, Tensor) else results
        actual = engine.run({name: value.numpy() for name, value in example.items()})
        for name, reference in zip(outputs, expected, strict=True):
            found = difference(name, actual[name], reference.numpy())
            if not found <= bound:  # also catches NaN
                height, width = reference.shape[-2:]
                raise GraphMismatchError(
                    f"{path.name} differs from its network by {found:.2g} in {name} at a height of "
                    f"{height} and a width of {width} (allowed {bound:.2g}): no bundle was written"
                )
            largest = max(largest, found)
    return largest


def difference(name: str, actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest difference of an output, infinite between shapes, NaN if a value is not a number.

    That of depth is relative to the depth, that of relative depth to its range in the map, that of
    confidence absolute.
    """
    if actual.shape != expected.shape:
        return math.inf
    scale: NDArray[np.float32] | float = 1.0
    if name == "depth":
        scale = expected
    elif name == "relative_depth":
        scale = max(float(np.ptp(expected)), float(np.finfo(np.float32).tiny))
    return float(np.max(np.abs(actual - expected) / scale))
