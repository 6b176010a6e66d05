"""A second forward pass leaves a network as it was, however its modules keep their statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polytask.balancing.second_forward import KeptBuffers, repeatable


class Centred(nn.Module):
    """Assigns new statistics instead of changing them in place, and one that was not there."""

    mean: Tensor
    seen: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("seen", None)

    def forward(self, x: Tensor) -> Tensor:
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        self.seen = torch.tensor(len(x))
        return x - self.mean


def test_statistics_that_a_module_assigns_come_back() -> None:
    model, x = nn.Sequential(nn.BatchNorm1d(3), Centred()), torch.randn(8, 3)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    buffers = list(model.buffers())
    with KeptBuffers(model):
        model(x)
    assert model[1].seen is None and all(one is other for one, other in zip(buffers, model.buffers(), strict=True))
    for name, value in model.state_dict().items():
        assert torch.equal(value, kept[name]), name
    again = repeatable(model)
    model(x)
    once = model[1].mean.clone()
    with again():
        model(x)
    assert torch.equal(model[1].mean, once) and int(model[0].num_batches_tracked) == 1
