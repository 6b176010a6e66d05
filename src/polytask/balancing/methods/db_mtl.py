"""DB-MTL: logarithms of the losses, and gradients brought to one norm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from ...errors import UserError
from ..gradient_balancer import GradientMemory, StepTensors
from ..gradients import GradientRows, combine
from ..needs import Gradients, Needs
from ..task_losses import TaskLosses

EPS = 1e-8


def db_mtl_scales(norms: Tensor) -> Tensor:
    """``max_j n_j / n_t``: factors that bring every gradient to the norm of the largest; 0 for a zero gradient.

    Example:
        >>> db_mtl_scales(torch.tensor([1., 2., 4.]))
        tensor([4., 2., 1.])
    """
    return torch.where(norms > 0, norms.max() / norms.clamp_min(1e-30), 0.0)


class DBMTL(GradientMemory):
    """Gradients of the logarithms of the losses, averaged over steps, all at the norm of the largest.

    ``y_t <- beta_k y_t + (1 - beta_k) grad log(L_t + 1e-8)``, ``beta_k = beta / k^sigma``; the shared layers get
    ``sum_t (max_j |y_j| / |y_t|) y_t``, each head ``grad log L_t``. If other shared parameters are trained than in the
    last step, as layers were frozen or unfrozen, the means are reset; to notice this, it needs the frozen ones in
    ``shared``, too.

    Args:
        beta: Share of the past; 0.9 in LibMTL. With 0 no gradients are kept.
        sigma: How fast that share falls with the number k of steps; 0 in LibMTL.
        gradients: ``exact``; or ``representation``, with ``beta=0`` only, because there each batch has separate rows.
        every: Only 1 unless ``beta=0``.

    Cost:
        A backward pass per task, and K gradients of all shared parameters kept as state.

    When to choose it:
        Tasks whose losses and gradients both differ in scale, where K backward passes are affordable.

    Deviations:
        The mean starts at 0 as in public code: the first step has (1 - beta) of its length.

    Source:
        B. Lin et al., "Dual-Balancing for Multi-Task Learning", 2023, arXiv:2308.12029.
    """

    name = "db_mtl"
    sources: ClassVar[tuple[Gradients, ...]] = ("exact", "representation")

    def __init__(self, *, beta: float = 0.9, sigma: float = 0.0, gradients: str = "exact", every: int = 1) -> None:
        super().__init__(gradients=gradients, every=every)
        self._check_range(beta=(beta, 0, 1), sigma=(sigma, 0, float("inf")))
        if beta and (gradients != "exact" or every != 1):
            raise UserError(
                "balancer 'db_mtl': beta > 0 averages gradients over steps, which needs gradients='exact' and every=1; "
                "give beta=0"
            )
        self.beta, self.sigma = beta, sigma
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(0))

    @property
    def needs(self) -> Needs:
        return replace(super().needs, losses="positive")

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self.mean = torch.zeros(0)

    def _head_weights(self, weights: Tensor, losses: TaskLosses) -> Tensor:
        own = torch.where(self.switched, 1.0, 1 / (losses.means.clamp_min(0) + EPS))
        return torch.where(torch.isfinite(weights), self.user_weights * losses.present * own, weights)

    def find(self, gramian: Tensor, present: Tensor) -> Tensor:
        return db_mtl_scales(gramian.diagonal().sqrt())

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        inverse = 1 / (step.losses.means.clamp_min(0) + EPS)
        if not self.beta:  # the Gramian of the logarithms states it all
            return self._update_without_past(step, backward, inverse, new=new)
        blocks = [GradientRows(row.dense(), row.reached) for row in self._rows(step)]
        rows = [block.rows.flatten(1) for block in blocks]
        self.mean = self._kept(self.mean, step, rows)
        scales, parts = self._averaged(rows, inverse, step.present)
        found = torch.zeros_like(self.found).index_copy(0, step.present, (scales * inverse[step.present]).float())
        weights = self._weigh(found, step)
        combined = [
            part.view(block.rows.shape[1:]) if block.reached else None
            for part, block in zip(parts, blocks, strict=True)
        ]
        self._finish(step, weights, self._head_weights(weights, step.everything), combined, backward)
        return weights

    def _averaged(self, rows: list[Tensor], inverse: Tensor, present: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Factors of the present tasks, and the update; NaN and no new state if a gradient is not finite."""
        if not all(bool(torch.isfinite(row.sum())) for row in rows):
            return torch.full_like(inverse[present], torch.nan), [row.sum(0) * torch.nan for row in rows]
        share = self.beta / (self.steps + 1) ** self.sigma
        new = (inverse[present] * (1 - share))[:, None]
        means = self.mean.split([row.shape[1] for row in rows], 1)
        for mean, row in zip(means, rows, strict=True):  # in place: these are the largest tensors of the method
            if len(present) == len(mean):
                mean.mul_(share).add_(row.mul_(new))
            else:
                mean[present] = mean[present].mul_(share).add_(row.mul_(new))
        kept = [mean[present] if len(present) < len(mean) else mean for mean in means]
        scales = db_mtl_scales(torch.stack([part.norm(dim=1) for part in kept]).norm(dim=0))
        factors = scales * self.user_weights[present]
        return scales, [factors.to(part.dtype) @ part for part in kept]

    def _update_without_past(
        self, step: StepTensors, backward: Callable[[Tensor], object], inverse: Tensor, *, new: bool
    ) -> Tensor:
        rows = self._rows(step) if new else None
        scales = self._find(step, rows, inverse[step.present]) if new else self.found
        weights = self._weigh(scales * inverse, step)
        combined = None if rows is None else combine(weights[step.present], rows)
        self._finish(step, weights, self._head_weights(weights, step.everything), combined, backward)
        return weights

    def _forget(self, task: int) -> None:
        if self.mean.ndim == 2:
            self.mean[task] = 0
