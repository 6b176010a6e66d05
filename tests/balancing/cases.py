"""Small problems that every balancing method can be tried on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from polytask.balancing import BALANCERS, Balancer

#: Options without which a method cannot be made.
REQUIRED: dict[str, dict[str, Any]] = {"static": {"values": {"a": 2.0, "c": 0.5}}, "pcd": {"primary": "a"}}
TASKS = ["a", "b", "c"]
#: Jacobians with worked results: three tasks, and two.
J = torch.tensor([[3.0, 0, 1], [-2, 1, 0], [0, -1, 2]])
J2 = torch.tensor([[-4.0, 1, 1], [6, 1, 1]])


def make(name: str, **options: Any) -> Balancer:
    return BALANCERS[name](**(REQUIRED.get(name, {}) | options))


def make_for_any(name: str) -> Balancer:
    """With options that name no task."""
    return BALANCERS[name](**({"values": {}} if name == "static" else {}))


def aggregate(balancer: Balancer, rows: Tensor, times: int = 1) -> tuple[Tensor, Tensor]:
    """The update of shared parameters for losses with these gradients, and the weights; of the last of some calls."""
    for _ in range(times):
        theta = torch.zeros(rows.shape[1], requires_grad=True)
        losses = {f"t{i}": 1 + row @ theta for i, row in enumerate(rows)}
        weights = balancer.backward(losses, shared=[theta])
    assert theta.grad is not None
    return theta.grad, weights


class Net(nn.Module):
    """A trunk of two layers and a head per task."""

    def __init__(self, tasks: int = 3, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh())
        self.heads = nn.ModuleList(nn.Linear(6, 1) for _ in range(tasks))

    def losses(self, x: Tensor, y: Tensor, names: list[str] = TASKS) -> tuple[Tensor, dict[str, Tensor]]:
        """The shared representation, and a mean squared error per task that has a column in ``names``."""
        features = self.trunk(x)
        errors = {
            task: ((head(features)[:, 0].float() - y[:, i]) ** 2).mean()
            for i, (task, head) in enumerate(zip(TASKS, self.heads, strict=False))
        }
        return features, {task: error for task, error in errors.items() if task in names}


def batch(seed: int = 1, rows: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 4, generator=generator)
    return x, torch.stack([x[:, 0], 3 * x[:, 1] + x[:, 0], -x[:, 0] + 0.5], 1)


def step(
    net: Net, balancer: Balancer, data: tuple[Tensor, Tensor], names: list[str] = TASKS, optimizer: Any = None
) -> Tensor:
    """One step of a loop of the user's: gradients, optimiser, second forward if asked for. Gives the weights."""
    net.zero_grad(set_to_none=True)
    features, losses = net.losses(*data, names)
    balancer.attach(net.trunk)
    weights = balancer.backward(losses, shared=net.trunk.parameters(), features=features)
    if optimizer is not None:
        optimizer.step()
    if balancer.needs.second_forward:
        balancer.after_step(lambda: net.losses(*data, names)[1])
    return weights


def gradients(module: nn.Module) -> Tensor:
    """All gradients of a module in one vector; zeros where there is none."""
    return torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in module.parameters()]
    ).clone()
