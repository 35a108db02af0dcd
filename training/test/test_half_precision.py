"""Networks in half precision: which part is float16, and what must not become it."""

from __future__ import annotations

import torch
from starrygazer_training.half_precision import in_half_precision
from torch import Tensor, nn


class Summing(nn.Module):
    """A layer between numbers that float16 cannot hold."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
        nn.init.ones_(self.body[0].weight)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        large = 1e9 * x.sum()
        y = self.body(x * large / large)
        return y, (x + y) * large * 1e-9


def test_inputs_and_outputs_stay_float32_and_the_layers_are_float16() -> None:
    half = in_half_precision(Summing().eval())
    assert half.body[0].weight.dtype == torch.float16
    assert {output.dtype for output in half(torch.rand(1, 1, 4, 4))} == {torch.float32}


def test_what_has_no_layer_is_not_computed_in_float16() -> None:
    x = torch.rand(1, 1, 64, 64)
    model = Summing().eval()
    for actual, expected in zip(in_half_precision(model)(x), model(x), strict=True):
        torch.testing.assert_close(actual, expected, rtol=2e-3, atol=2e-4)


def test_a_variance_that_float16_cannot_hold_is_folded_before() -> None:
    model = Summing().eval()
    norm = model.body[1]
    norm.running_var.fill_(1e-9)
    norm.eps = 0.0
    norm.weight.data.fill_(3e-5)
    x = torch.rand(1, 1, 8, 8)
    expected = model(x)[0]
    torch.testing.assert_close(in_half_precision(model)(x)[0], expected, rtol=2e-3, atol=1e-4)


def test_the_network_itself_stays_as_it_is() -> None:
    model = Summing().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    in_half_precision(model)
    torch.testing.assert_close(model.state_dict(), before)
    assert model.body[0].weight.dtype == torch.float32
