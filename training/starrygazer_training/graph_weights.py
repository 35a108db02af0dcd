"""The refinement network back from the graph that it was exported to."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from starrygazer_training.config import ConfigError
from starrygazer_training.half_precision import without_batch_norm
from starrygazer_training.refinement import Refinement


def load_refinement(graph: Path, model: Refinement) -> Refinement:
    """Give a new network the weights of one that was exported to a graph.

    Args:
        graph: ONNX file.
        model: its BatchNorms are folded into the convolutions, as they are in the graph.

    Returns:
        ``model``, in evaluation mode.

    Raises:
        ConfigError: the graph does not hold the weights of a :class:`Refinement`.
    """
    network = onnx.load(str(graph)).graph
    stored = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in network.initializer
    }
    for node in network.node:  # weights that were filled up with zeros have lost their name
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[1] in stored:
            _, weight, bias = node.input
            stored.setdefault(bias.removesuffix("bias") + "weight", stored[weight])
    without_batch_norm(model.eval())
    weights: dict[str, Tensor] = {}
    for name, own in model.state_dict().items():
        # The exporter's name for what BatchNorm leaves in a convolution without bias.
        found = stored.get(name, stored.get(name.replace(".bias", ".weight_bias")))
        if found is not None and found.ndim == 4 and not found[:, own.shape[1] :].any():
            found = found[:, : own.shape[1]].contiguous()
        if found is None or found.shape != own.shape:
            raise ConfigError(
                f"{graph} holds no weights {name} of shape {list(own.shape)}: only graphs of this "
                "package's refinement network will do"
            )
        weights[name] = found
    model.load_state_dict(weights)
    return model.eval()
