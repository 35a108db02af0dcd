"""Networks whose layers compute in float16, for runtimes that take a graph's precision literally.

TensorRT from version 11 chooses no precision itself: it runs what the ONNX file says. Converters of
ONNX files send what passes between two nodes that stay in float32 through float16, where sums
overflow and small divisors become 0: with that of ONNX Runtime 1.32 the refinement gave only NaN,
although no more than its convolutions were to change. So the precision is chosen here, before the
export, layer by layer:

- Convolutions and linear layers have float16 weights and take their input as float16.
- All else keeps the precision of its input, and PyTorch promotes float16 with float32 to float32.
  So normalisations, the sums along a transformer and whatever is done with depth itself
  (alignment, interpolation, propagation) stay in float32.

ONNX Runtime has no float16 arithmetic on most CPUs: it computes in float32 and rounds between some
of the operators, so that it shows less than the whole error. PyTorch rounds after each. On six
photographs that moved the student's relative depth by at most 6e-4 of its range, the backbone's
with an untrained head by 2e-3; on four the refinement's depth by 4e-4. No layer of the backbone
came near the limits of float16: the largest output of one was 39.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

Outputs = Tensor | tuple[Tensor, ...]


def in_half_precision(model: nn.Module) -> nn.Module:
    """A copy of a network that multiplies matrices in float16.

    Args:
        model: network in evaluation mode.

    Returns:
        A network with the same inputs and outputs, float32 like those of the original.
    """
    half = without_batch_norm(copy.deepcopy(model))
    for layer in half.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.half()
            layer.register_forward_pre_hook(_inputs_to_half)
    half.register_forward_hook(_outputs_to_float)
    return half


def _inputs_to_half(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(value.half() for value in inputs)


def _outputs_to_float(model: nn.Module, inputs: object, outputs: Outputs) -> Outputs:
    if isinstance(outputs, Tensor):
        return outputs.float()
    return tuple(output.float() for output in outputs)


def without_batch_norm(model: nn.Module) -> nn.Module:
    """Fold each BatchNorm into the convolution before it; float16 may not hold its variance."""
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for index in range(1, len(sequence)):
            before, norm = sequence[index - 1], sequence[index]
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence[index - 1] = fuse_conv_bn_eval(before, norm)
                sequence[index] = nn.Identity()
    return model
