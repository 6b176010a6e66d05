"""Our optimisers take torch's steps, bit for bit, and honour hooks, scalers and options all the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim

from polytask.training import optimizer as ours

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"fused": True}),
    ("SGD", {"fused": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("Adam", {"fused": True, "weight_decay": 0.1}),
    ("Adam", {"fused": True, "amsgrad": True}),
    ("Adam", {"betas": (0.8, 0.9), "maximize": True}),
    ("AdamW", {"fused": True, "weight_decay": 0.1, "eps": 1e-3}),
]


def walk(kind: Any, options: dict[str, Any], dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], Any]:
    """Parameters after steps in which one of them has no gradient now and then."""
    draw = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(3, generator=draw)) for _ in range(2)]
    weights.append(nn.Parameter(torch.randn(3, generator=draw).to(dtype)))
    optimizer = kind([{"params": weights[:1], "lr": 0.5}, {"params": weights[1:]}], lr=0.1, **options)
    for step in range(5):
        optimizer.zero_grad()
        assert all(weight.grad is None for weight in weights)
        sum(((weight.float() - 1) ** 2).sum() for weight in weights[step % 2 :]).backward()
        optimizer.step()
    return [weight.detach() for weight in weights], optimizer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_steps_are_those_of_torch(name: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    mine, optimizer = walk(getattr(ours, name), options, dtype)
    expected, reference = walk(getattr(optim, name), options, dtype)
    torch.testing.assert_close(mine, expected, rtol=0, atol=0)
    torch.testing.assert_close(optimizer.state_dict(), reference.state_dict(), rtol=0, atol=0)
    again = type(optimizer)(optimizer.param_groups[0]["params"], lr=0.1)
    with pytest.raises(ValueError, match="parameter groups"):
        again.load_state_dict(optimizer.state_dict())


def test_hooks_are_called() -> None:
    weight, called = nn.Parameter(torch.ones(2)), []
    optimizer = ours.Adam([weight], lr=0.1, fused=True)
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    weight.grad = torch.ones(2)
    optimizer.step()
    assert called == ["before", "after"]
    optimizer.zero_grad(set_to_none=False)
    assert weight.grad is not None and not weight.grad.any()


def test_a_scaler_that_finds_an_overflow_leaves_the_step_out() -> None:
    weight, scaler = nn.Parameter(torch.ones(2)), torch.amp.GradScaler("cpu")
    optimizer = ours.AdamW([weight], lr=0.1, fused=True)
    for factor, moves in ((float("inf"), False), (1.0, True)):
        optimizer.zero_grad()
        before = weight.detach().clone()
        scaler.scale((weight * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert bool((weight != before).any()) is moves
