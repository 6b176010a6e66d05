"""ExcessMTL: weights grow with what a task could still gain, not with its noise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..gradient_balancer import GradientMemory, StepTensors
from ..gradients import combine

EPS = 1e-7


def excess_risks(rows: Tensor, sums: Tensor) -> Tensor:
    """``g_t^T H_t^-1 g_t`` with the diagonal of AdaGrad for H: to second order, the loss above the best reachable.

    Args:
        rows: ``[n, P]`` gradients.
        sums: ``[n, P]`` sums of their squares over the steps, this one included.

    Returns:
        ``[n]``.

    Example:
        >>> rows = torch.tensor([[3., 4.], [1., 0.]])
        >>> excess_risks(rows, rows ** 2)
        tensor([7., 1.])
    """
    squares = rows**2
    return (squares / (sums + EPS).sqrt()).sum(1)


class ExcessMTL(GradientMemory):
    """Robust weights by excess risk: larger for a task far above its best reachable loss, not for a noisy one.

    ``w_t <- w_t exp(lr E_t / E_t(0))``, scaled to sum to 1, with the excess risk ``E_t = g_t^T H_t^-1 g_t``, where
    ``H_t`` is the root of the sum of squared gradients, element by element. The total is ``sum_t w_t L_t``. If other
    shared parameters are trained than in the last step, as layers were frozen or unfrozen, ``H_t`` and ``E_t(0)`` are
    reset; to notice this, it needs the frozen ones in ``shared``, too.

    Args:
        lr: Step size of the weights.
        warmup: Steps with a task over which its ``E_t(0)`` is averaged, while its weight stays; the paper recommends
            those of three epochs, 1 is nearest to the official code.

    Cost:
        A backward pass through the shared layers per task, K gradients of their size, and as many sums of squares.

    When to choose it:
        Labels of some tasks are noisy, so that their losses stay high whatever the weights.

    Deviations:
        Weights sum to 1 as in the paper and torchjd; they start from 1 each in the official code, which also uses the
        first step's risks undivided. Absent tasks keep weight and sums.

    Source:
        Y. He et al., "Robust Multi-Task Learning with Excess Risks", ICML 2024, PMLR 235, Equations 6, 7 and 9.
    """

    name = "excess_mtl"
    sources = ("exact",)

    def __init__(self, *, lr: float = 1.0, warmup: int = 1) -> None:
        super().__init__(head_weighting=True)
        self._check_range(lr=(lr, 0, float("inf")), warmup=(warmup, 1, float("inf")))
        self.lr, self.warmup = lr, warmup
        self.sums: Tensor
        self.start: Tensor
        for name in ("sums", "start"):
            self.register_buffer(name, torch.zeros(0))

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self.found = torch.full((tasks,), 1 / tasks)
        self.sums = torch.zeros(0)
        # Rows: sum of excess risks during the warm-up, steps in it.
        self.start = torch.zeros(2, tasks)

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        rows = self._rows(step)
        flat = torch.cat([row.dense().flatten(1) for row in rows], 1).float()
        kept = self._kept(self.sums, step, [flat])
        if kept is not self.sums:
            self.sums, self.start = kept, torch.zeros_like(self.start)
        finite = bool(torch.isfinite(flat).all())
        if finite:
            self._learn(flat, step.present)
        found = torch.where(step.losses.present, self.found, 0.0 if finite else torch.nan)
        weights = self._weigh(found / found.sum(), step)
        combined = combine(weights[step.present], rows)
        self._finish(step, weights, weights, combined, backward)
        return weights

    def _learn(self, rows: Tensor, present: Tensor) -> None:
        self.sums[present] += rows**2
        risks = excess_risks(rows, self.sums[present])
        total, steps = self.start[:, present]
        warming = steps < self.warmup
        baseline = total / steps.clamp_min(1)
        self.start[:, present] += torch.stack([risks, torch.ones_like(risks)]) * warming
        growth = torch.where(warming, 0.0, self.lr * risks / (baseline + EPS))
        old = self.found[present]
        self.found = self.found.index_copy(0, present, old.sum() * torch.softmax(old.log() + growth, 0))

    def _forget(self, task: int) -> None:
        self.start[:, task] = 0
        if self.sums.ndim == 2:
            self.sums[task] = 0
