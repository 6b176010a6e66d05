"""Methods that update the network besides the training step: Auto-Lambda and selective updates of task groups."""

from __future__ import annotations

import torch
from torch import Tensor

import polytask as pt
from polytask.balancing import Balancer, TaskLosses
from polytask.balancing.adam import adam_step
from polytask.data import Batch
from polytask.training.loop import Training


class Weighted(Balancer):
    """The weights that a callback sets."""

    name = "weighted"

    def __init__(self) -> None:
        super().__init__()
        self.now = torch.ones(0)

    def weights(self, losses: TaskLosses) -> Tensor:
        return self.now if len(self.now) else torch.ones(len(losses.means))


class AutoLambda(pt.Callback):
    """Weights that lower the losses of validation rows after a step, by central differences."""

    LR, FIRST = 1e-2, 0.1

    def __init__(self, balancer: Weighted, rows: pt.Rows, size: int, primary: slice = slice(None)) -> None:
        self.balancer, self.rows, self.size, self.primary = balancer, rows, size, primary
        self.random = torch.Generator().manual_seed(0)
        self.moments = torch.zeros(0)

    def before_step(self, training: Training, batch: Batch) -> None:
        tasks, parameters = len(training.tasks), list(training.model.parameters())
        training.model.eval()  # other units dropped on the two sides would be all of their difference
        if not len(self.balancer.now):
            self.balancer.now, self.moments = torch.full((tasks,), self.FIRST), torch.zeros(3, tasks)
        kept = [parameter.detach().clone() for parameter in parameters]
        rate = training.optimizer.param_groups[0]["lr"]
        _moved(parameters, kept, _gradients((self.balancer.now * _means(training, batch)).sum(), parameters), -rate)
        some = self.rows[torch.randperm(len(self.rows), generator=self.random)[: self.size]]
        ahead = _gradients(_means(training, some)[self.primary].sum(), parameters)
        width = 0.01 / max(1e-12, float(torch.stack([gradient.norm() for gradient in ahead]).norm()))
        sides = []
        for sign in (1, -1):
            _moved(parameters, kept, ahead, sign * width)
            with torch.no_grad():
                sides.append(_means(training, batch))
        _moved(parameters, kept, ahead, 0.0)
        self.balancer.now, self.moments = adam_step(
            self.balancer.now, -rate * (sides[0] - sides[1]) / (2 * width), self.moments, self.LR,
            where=torch.ones(tasks, dtype=torch.bool),
        )  # fmt: skip
        training.model.train()


class Selective(pt.Callback):
    """One update after the other for groups of tasks; the last one is that of the loop."""

    def __init__(self, balancer: Weighted, decay: float = 0.95) -> None:
        self.balancer, self.decay = balancer, decay
        self.random = torch.Generator().manual_seed(0)
        self.affinity = torch.zeros(0, 0)

    def before_step(self, training: Training, batch: Batch) -> None:
        tasks, parameters = len(training.tasks), list(training.model.parameters())
        if not len(self.affinity):
            self.affinity = torch.zeros(tasks, tasks)  # and every task is a group
        *others, last = self._groups()
        for group in others:
            total = _means(training, batch)[group].sum()
            for parameter, gradient in zip(parameters, _gradients(total, parameters), strict=True):
                parameter.grad = gradient
            known = self._levels(training, batch)
            training.optimizer.step()
            gain = 1 - self._levels(training, batch) / known.clamp_min(1e-6)
            self.affinity[group] = self.decay * self.affinity[group] + (1 - self.decay) * gain
        training.optimizer.zero_grad(set_to_none=True)
        self.balancer.now = torch.zeros(tasks).index_fill(0, torch.tensor(last), 1.0)

    def _levels(self, training: Training, batch: Batch) -> Tensor:
        """Losses without dropout, which can be compared before and after an update."""
        training.model.eval()
        with torch.no_grad():
            found = _means(training, batch)
        training.model.train()
        return found

    def _groups(self) -> list[list[int]]:
        both = torch.minimum(self.affinity, self.affinity.T)
        groups: list[list[int]] = []
        for task in torch.randperm(len(both), generator=self.random).tolist():
            home = next((group for group in groups if (both[task, group] > 0).all()), None)
            if home is None:
                groups.append([task])
            else:
                home.append(task)
        return groups


def _means(training: Training, batch: Batch) -> Tensor:
    """``[K]`` mean losses of a batch, with their graph."""
    features, _ = training.represent(batch.inputs)
    return training.objective(training.model.heads(features), batch).values


def _gradients(total: Tensor, parameters: list[torch.nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(total, parameters, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


@torch.no_grad()
def _moved(parameters: list[torch.nn.Parameter], start: list[Tensor], along: list[Tensor], step: float) -> None:
    for parameter, before, direction in zip(parameters, start, along, strict=True):
        parameter.copy_(before + step * direction)
