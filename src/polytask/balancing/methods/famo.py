"""FAMO: all losses fall at the same relative speed, found out with a second forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from ..adam import adam_step
from ..balancer import Balancer, Losses, full_precision
from ..needs import Needs
from ..task_losses import TaskLosses


def famo_weights(logits: Tensor, losses: Tensor) -> Tensor:
    """``c z_t / L_t`` with ``z = softmax(logits)`` and c such that the weights sum to 1.

    Args:
        logits: ``[K]``, minus infinity for a task to leave out.
        losses: ``[K]`` more than 0, lower bounds already subtracted.

    Example:
        >>> famo_weights(torch.zeros(3), torch.tensor([.5, 2., 1.]))
        tensor([0.5714, 0.1429, 0.2857])
    """
    weights = torch.softmax(logits, 0) / losses
    return weights / weights.sum()


def famo_gradient(logits: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Gradient for the logits from the change of the logarithms of the losses: faster tasks get lower weights.

    Example:
        >>> before, after = torch.tensor([.5, 2., 1.]), torch.tensor([.45, 1.9, .99])
        >>> famo_gradient(torch.zeros(3), before, after)
        tensor([ 0.0166, -0.0014, -0.0152])
    """
    z = torch.softmax(logits, 0)
    change = torch.where(z > 0, before.log() - after.log(), 0.0)
    return z * (change - z @ change)


class FAMO(Balancer):
    """Fast adaptive multitask optimisation: weights that make all losses fall at the same relative speed.

    ``total = c sum_t z_t log(L_t - b_t)``, ``z = softmax(xi)``; after the step the losses of the same batch are
    computed again, and ``xi`` takes an Adam step along ``J_softmax^T (log L_before - log L_after)``. The effective
    weights ``c z_t / (L_t - b_t)`` sum to 1. In your own loop call :meth:`after_step`, unless the step was
    skipped.

    Args:
        lr: Step size of xi; 0.025 in the paper.
        weight_decay: Decay of xi; 0.001 in the paper's Algorithm 2 and most official runs (code defaults 0.01, 1e-5).
        lower_bound: b, one for all tasks or by task name (0 for a task that is left out). A loss below is refused.
        every: Steps between updates of xi; 1 in the paper. Steps in between cost what equal weights cost.

    Cost:
        A second forward pass without gradients, every ``every`` steps: a third of a step for dense layers, up to half
        for convolutions.

    When to choose it:
        Many tasks whose losses differ in scale, where per-task gradients are too expensive.

    Deviations:
        Absent tasks take no part in the softmax. The official multi-method script clips gradients before they exist
        (its issue 4); the stand-alone code, followed here, does not.

    Source:
        B. Liu, Y. Feng, P. Stone, Q. Liu, "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023, arXiv:2306.03792,
        Algorithm 2.
    """

    name = "famo"
    sees = "losses, a second forward pass"

    def __init__(
        self,
        *,
        lr: float = 0.025,
        weight_decay: float = 1e-3,
        lower_bound: float | Mapping[str, float] = 0.0,
        every: int = 1,
    ) -> None:
        super().__init__()
        self._check_range(every=(every, 1, float("inf")))
        self._check_range(lr=(lr, 0, float("inf")), weight_decay=(weight_decay, 0, float("inf")))
        self.lr, self.weight_decay, self.lower_bound, self.every = lr, weight_decay, lower_bound, every
        self.bounds: Tensor
        self.logits: Tensor
        self.moments: Tensor
        self._before: Tensor | None = None  # of the step in progress: NaN where absent
        self.register_buffer("bounds", torch.zeros(0), persistent=False)
        self.register_buffer("logits", torch.zeros(0))
        self.register_buffer("moments", torch.zeros(0))

    @property
    def needs(self) -> Needs:
        return Needs(second_forward=True, losses="positive")

    def cost(self, shared: Iterable[Tensor]) -> str:
        steps = "per step" if self.every == 1 else f"every {self.every} steps"
        return f"{steps}: a second forward pass without gradients"

    def _start(self, tasks: int) -> None:
        given = (
            self.lower_bound if isinstance(self.lower_bound, Mapping) else dict.fromkeys(self.tasks, self.lower_bound)
        )
        self._check_names("famo: lower_bound", given)
        self.bounds = torch.tensor([float(given.get(task, 0.0)) for task in self.tasks])
        self.logits = torch.zeros(tasks)
        self.moments = torch.zeros(3, tasks)

    def _above(self, means: Tensor) -> Tensor:
        return (means - self._bounds()).clamp_min(0) + 1e-8

    def _bounds(self) -> Tensor:
        return self.bounds

    def weights(self, losses: TaskLosses) -> Tensor:
        above, logits = self._above(losses.means), self.logits
        before = above
        if not losses.complete:
            logits = torch.where(losses.present, logits, -torch.inf)
            before = torch.where(losses.present, above, torch.nan)
        self._before = before if self.steps % self.every == 0 else None
        return famo_weights(logits, above)

    def after_step(self, losses: Callable[[], Losses]) -> None:
        super().after_step(losses)
        before = self._before
        if before is None:
            return
        with torch.no_grad():
            again = self._prepare(losses(), self._counts)
        with full_precision(before.device):
            self._learn(before, again)
        self._before = None

    def _learn(self, before: Tensor, again: TaskLosses) -> None:
        took_part = torch.isfinite(before) & again.usable
        logits = torch.where(took_part, self.logits, -torch.inf)
        gradient = famo_gradient(logits, before, self._above(again.means))
        self.logits, self.moments = adam_step(
            self.logits, gradient, self.moments, self.lr, where=took_part, weight_decay=self.weight_decay
        )

    def _forget(self, task: int) -> None:
        self.logits[task] = 0
        self.moments[:, task] = 0
