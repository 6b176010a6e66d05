"""Methods with state, or of our own arithmetic, beside torchjd's objects, where all tasks are present."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import polytask as pt
from balancing.cases import J, aggregate
from polytask import balancing as b
from polytask.balancing.methods.graddrop import one_sign

LOSSES = torch.tensor([0.5, 2.0, 1.0])


def sequence(steps: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 5, generator=generator) * (step + 1) for step in range(steps)]


def updates(balancer: b.Balancer) -> list[Tensor]:
    return [aggregate(balancer, rows)[0] for rows in sequence()]


def test_pcd() -> None:
    from torchjd.aggregation import PCD

    theirs = PCD(tau=0.3, beta=0.9, eps=0.0)
    for ours, rows in zip(updates(b.PCD(tau=0.3, beta=0.9)), sequence(), strict=True):
        torch.testing.assert_close(ours, theirs(rows), rtol=1e-4, atol=1e-5)


def test_pcd_with_another_primary_task() -> None:
    from torchjd.aggregation import PCD

    order = [2, 0, 1]
    theirs = PCD(tau=0.3, eps=0.0)(J[order])
    torch.testing.assert_close(aggregate(b.PCD("t2", tau=0.3), J)[0], theirs, rtol=1e-4, atol=1e-5)
    with pytest.raises(pt.UserError, match="primary"):
        aggregate(b.PCD("price"), J)


@pytest.mark.parametrize("warmup", [1, 2])
def test_excess_mtl(warmup: int) -> None:
    from torchjd.aggregation import ExcessMTL

    theirs = ExcessMTL(robust_step_size=0.7, n_warmup_steps=warmup)
    for ours, rows in zip(updates(b.ExcessMTL(lr=0.7, warmup=warmup)), sequence(), strict=True):
        torch.testing.assert_close(ours, theirs(rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("leak", [0.0, 0.3])
def test_graddrop(leak: float) -> None:
    from torchjd.aggregation import GradDrop

    for step, rows in enumerate(sequence()):
        torch.manual_seed(step)
        expected = GradDrop(leak=torch.full((3,), leak))(rows)
        torch.manual_seed(step)
        torch.testing.assert_close(one_sign(rows, torch.rand(5), leak), expected)


def test_cr_mogm() -> None:
    from torchjd.aggregation import CRMOGMWeighting, GramianWeightedAggregator, MGDAWeighting

    theirs = GramianWeightedAggregator(CRMOGMWeighting(MGDAWeighting(), alpha=0.8))
    for ours, rows in zip(updates(b.CRMOGM("mgda", alpha=0.8)), sequence(), strict=True):
        torch.testing.assert_close(ours, theirs(rows), rtol=1e-3, atol=1e-4)


def test_cr_mogm_around_what_does_more_than_weigh_is_refused() -> None:
    with pytest.raises(pt.UserError, match="method='graddrop'"):
        b.CRMOGM("graddrop")


def derivative(value: Tensor, losses: Tensor) -> Tensor:
    return torch.autograd.grad(value, losses)[0]


def weights_of(balancer: b.Balancer) -> Tensor:
    return balancer.backward({name: LOSSES[i].clone().requires_grad_() for i, name in enumerate("abc")})


def test_cosmos() -> None:
    r = torch.tensor([0.5, 0.25, 0.25])
    losses = LOSSES.clone().requires_grad_()
    value = r @ losses - 2 * (r @ losses) / (r.norm() * losses.norm())
    torch.testing.assert_close(weights_of(b.COSMOS({"a": 2.0}, penalty=2.0)), derivative(value, losses))


def test_pbi() -> None:
    losses = LOSSES.clone().requires_grad_()
    direction = torch.ones(3) / 3**0.5
    along = losses @ direction
    value = along + 5 * (losses - along * direction).norm()
    torch.testing.assert_close(weights_of(b.PBI(theta=5.0)), derivative(value, losses))


@pytest.mark.parametrize("method", [b.COSMOS, b.PBI])
def test_preferences(method: type[b.COSMOS]) -> None:
    with pytest.raises(pt.UserError, match="expected more than 0, found -1"):
        method({"a": -1.0})
    with pytest.raises(pt.UserError, match="preference: 'z' is not a task"):
        weights_of(method({"z": 1.0}))


@pytest.mark.parametrize("normalise", ["loss", "norm", "both"])
def test_mgda_combines_normalised_gradients(normalise: str) -> None:
    means = torch.tensor([1.0, 2.0, 4.0])
    theta = torch.zeros(3, requires_grad=True)
    losses = {f"t{i}": means[i] + row @ theta for i, row in enumerate(J)}
    options = {"epsilon": 1e-6, "max_iters": 10_000}
    b.MGDA(normalise=normalise, **options).backward(losses, shared=[theta])
    size = (means if normalise != "norm" else 1) * (J.norm(dim=1) if normalise != "loss" else 1)
    expected = aggregate(b.MGDA(**options), J / size[:, None])[0]
    assert theta.grad is not None
    torch.testing.assert_close(theta.grad, expected, rtol=1e-3, atol=1e-4)
