"""Methods by losses that the library has not: CoBa, GO4Align and LDC-MTL; sources in ``balancing.py``."""

from __future__ import annotations

import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

import polytask as pt
from polytask.balancing import Balancer, TaskLosses
from polytask.balancing.adam import adam_step
from polytask.data import Batch
from polytask.training.evaluation import task_outputs, task_targets
from polytask.training.loop import Training


class CoBa(Balancer):
    """Weights from slopes of validation losses, relative to their first values; tasks that diverge are slowed down."""

    name = "coba"

    def __init__(self, warmup: int = 20, history: int = 60, tau: float = 5.0) -> None:
        super().__init__()
        self.warmup, self.history, self.tau = warmup, history, tau
        self.seen: list[Tensor] = []
        self.slopes: list[Tensor] = []
        self.total_slopes: list[Tensor] = []

    def see(self, losses: Tensor) -> None:
        """Validation losses of a step, [K]."""
        self.seen.append(losses / self.seen[0] if self.seen else losses)

    def weights(self, losses: TaskLosses) -> Tensor:
        tasks = len(losses.means)
        ratios = torch.stack(self.seen[1:][-self.history :]) if len(self.seen) > 1 else torch.ones(0, tasks)
        if len(ratios) < max(2, self.warmup):
            return torch.ones(tasks)
        steps = torch.arange(len(ratios), dtype=ratios.dtype)
        centred = (steps - steps.mean()) / ((steps - steps.mean()) ** 2).sum()
        self.slopes.append(centred @ ratios)
        self.total_slopes.append(centred @ ratios.amax(1))
        own = torch.stack(self.slopes[-self.history :])
        relative = torch.softmax(tasks * own[-1] / own[-1].abs().sum(), 0)
        absolute = torch.softmax(-len(own) * own[-1] / own.abs().sum(0), 0)
        every = torch.stack(self.total_slopes)
        divergence = len(every) * torch.softmax(-self.tau * len(every) * every / every.abs().sum(), 0)[-1]
        share = divergence.clamp(max=1.0)
        found = torch.softmax(tasks * (share * relative + (1 - share) * absolute), 0)
        return tasks * (0.9 * found + 0.1 / tasks)


class Watch(pt.Callback):
    """Shows CoBa the losses of a batch of validation rows in every step."""

    def __init__(self, balancer: CoBa, rows: pt.Rows, size: int) -> None:
        self.balancer, self.rows, self.size = balancer, rows, size
        self.random = torch.Generator().manual_seed(0)

    def before_step(self, training: Training, batch: Batch) -> None:
        some = self.rows.subset(torch.randperm(len(self.rows), generator=self.random)[: self.size])
        model = training.model
        last = self.balancer.seen[-1] if self.balancer.seen else torch.ones(len(model.tasks))
        losses = []
        found = task_outputs(model, some, range(len(model.tasks)))
        for position, (task, outputs) in enumerate(zip(model.tasks, found, strict=True)):
            ids, targets = task_targets(some, position)
            loss = binary_cross_entropy_with_logits if task.kind == "binary" else mse_loss
            losses.append(loss(outputs[ids], targets.float()) if len(ids) else last[position])
        self.balancer.see(torch.stack(losses))


class GO4Align(Balancer):
    """Losses of equal size, times probabilities that fall for tasks with large ones; a group has its mean weight."""

    name = "go4align"

    def __init__(self, step: float = 1e-4) -> None:
        super().__init__()
        self.step = step
        self.shares = torch.ones(0)

    def weights(self, losses: TaskLosses) -> Tensor:
        means, tasks = losses.means.clamp_min(1e-6), len(losses.means)
        shares = self.shares if len(self.shares) else torch.full((tasks,), 1 / tasks)
        shares = shares * torch.exp(-self.step * means)
        self.shares = shares / shares.sum()
        found = means.sum() / means * self.shares
        groups = max(1, tasks // 2)
        fitted = KMeans(groups, n_init=1, random_state=0).fit(found[:, None].numpy())
        return torch.from_numpy(fitted.cluster_centers_[fitted.labels_, 0]).to(means.dtype)


class LDC(Balancer):
    """Weights that are learned to make weighted losses alike, beside the weighted loss itself."""

    name = "ldc"

    def __init__(self, discrepancy: float = 0.1, lr: float = 0.01) -> None:
        super().__init__()
        self.discrepancy, self.lr = discrepancy, lr
        self.logits, self.moments, self.ratios = torch.zeros(0), torch.zeros(0), torch.ones(0)

    def weights(self, losses: TaskLosses) -> Tensor:
        means = losses.means.clamp_min(1e-6)
        if not len(self.logits):
            self.logits, self.moments = torch.zeros(len(means)), torch.zeros(3, len(means))
            self.ratios = means / means.min()
        with torch.enable_grad():
            logits = self.logits.clone().requires_grad_()
            scaled = (means / self.ratios).requires_grad_()
            weighted = torch.softmax(logits, 0) * scaled
            total = weighted.sum() + self.discrepancy * weighted.diff().abs().sum()
            gradient, weights = torch.autograd.grad(total, (logits, scaled))
        self.logits, self.moments = adam_step(
            self.logits, gradient, self.moments, self.lr, where=torch.ones(len(means), dtype=torch.bool)
        )
        return len(means) * weights / self.ratios
