"""What a method computes does not depend on the caller's autocast, nor on the type of parameters and losses."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from balancing.cases import TASKS, Net, batch, gradients, make, step
from polytask.balancing import BALANCERS

#: How far gradients in a type may be from those in float32, relative to their norm.
ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-4, torch.float16: 0.03, torch.bfloat16: 0.15}


def taken(name: str, dtype: torch.dtype, *, inside: bool, autocast: bool = False) -> tuple[Tensor, Tensor]:
    """Weights and gradients of two steps without moving, with parameters of a type, inside or outside autocast."""
    net, balancer = Net().to(dtype), make(name)
    balancer.bind(TASKS)
    for seed in (1, 2):
        x, y = batch(seed)
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
            features, losses = net.losses(x.to(dtype), y)
            losses = {task: loss.double() if dtype == torch.float64 else loss for task, loss in losses.items()}
            if inside:
                weights = balancer.backward(losses, shared=net.trunk.parameters(), features=features)
        if not inside:
            weights = balancer.backward(losses, shared=net.trunk.parameters(), features=features)
    return weights, gradients(net).float()


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
def test_parameters_of_any_type(dtype: torch.dtype, name: str) -> None:
    expected, found = taken(name, torch.float32, inside=False)[1], taken(name, dtype, inside=False)[1]
    assert (found - expected).norm() <= ROUNDING[dtype] * expected.norm()


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_inside_autocast_as_outside(dtype: torch.dtype, name: str) -> None:
    """The very same numbers: the forward pass is equal, and nothing after it is the caller's."""
    outside = taken(name, dtype, inside=False, autocast=True)
    inside = taken(name, dtype, inside=True, autocast=True)
    for one, other in zip(outside, inside, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0)


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("way", ["half", "double", "bfloat16"])
def test_state_keeps_its_numbers(way: str, name: str) -> None:
    balancer = make(name)
    step(Net(), balancer, batch())
    before = copy.deepcopy(balancer.state_dict())
    getattr(balancer, way)()
    for key, value in balancer.state_dict().items():
        assert value.dtype == before[key].dtype and torch.equal(value.nan_to_num(), before[key].nan_to_num()), key


@pytest.mark.parametrize("name", ["upgrad", "mgda", "gradnorm", "db_mtl", "config"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_large_losses_through_float16_move(scale: float, name: str) -> None:
    """Gradients of each task overflow float16 at the usual factor, and do not at a smaller one."""
    found = []
    for dtype in (torch.float32, torch.float16):
        net = Net().to(dtype)
        x, y = batch()
        features, losses = net.losses(x.to(dtype), y)
        losses = {task: scale * loss for task, loss in losses.items()}
        make(name).backward(
            losses, shared=net.trunk.parameters(), features=features, backward=lambda total: (total / scale).backward()
        )
        found.append(gradients(net).float())
    assert torch.isfinite(found[1]).all()
    assert (found[1] - found[0]).norm() < 0.05 * found[0].norm()
