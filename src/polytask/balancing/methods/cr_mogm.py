"""CR-MOGM: the weights of another method, smoothed over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...errors import UserError, did_you_mean
from ..gradient_balancer import GradientBalancer
from ..needs import Needs


class CRMOGM(GradientBalancer):
    """Correlation-reduced gradient manipulation: the weights that another method finds, as a running mean.

    ``w <- alpha w + (1 - alpha) found``. Weights found from a batch depend on the very gradients that they multiply,
    which biases the update; the running mean hardly depends on this batch.

    Args:
        method: Name of the method that finds the weights; it must use per-task gradients only for finding weights.
        alpha: Decay of the running mean, 0 to 1; 0.9 as in torchjd.
        options: Options of that method.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        That of the other method.

    When to choose it:
        Small batches, whose gradients are noisy, with any of those methods.

    Deviations:
        The mean is kept per task: an absent task keeps its weight.

    Source:
        S. Zhou et al., "On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond", NeurIPS
        2022, Algorithm 1. The rule is that of torchjd's CRMOGMWeighting.
    """

    name = "cr_mogm"

    def __init__(
        self,
        method: str = "mgda",
        *,
        alpha: float = 0.9,
        options: Mapping[str, Any] | None = None,
        gradients: str = "exact",
        every: int = 1,
        head_weighting: bool = False,
    ) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        self._check_range(alpha=(alpha, 0, 1 - 1e-9))
        self.alpha = alpha
        self.method = _make(method, dict(options or {}))
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(0))

    @property
    def needs(self) -> Needs:
        return replace(super().needs, losses=self.method.needs.losses)

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self.method.bind(self.tasks)
        self.mean = torch.full((tasks,), torch.nan)

    def find(self, gramian: Tensor, present: Tensor) -> Tensor:
        self.method.steps, self.method._means = self.steps, self._means
        found = self.method.find(gramian, present).to(self.mean)
        old = self.mean[present]
        new = torch.where(old.isnan(), found, self.alpha * old + (1 - self.alpha) * found)
        self.mean = self.mean.index_copy(0, present, new)
        return new.to(gramian)

    def _forget(self, task: int) -> None:
        self.mean[task] = torch.nan
        self.method._forget(task)


def _make(name: str, options: dict[str, Any]) -> GradientBalancer:
    plain: dict[str, type[GradientBalancer]] = {}
    for method in _below(GradientBalancer):
        if hasattr(method, "name") and method._update is GradientBalancer._update and method is not CRMOGM:
            plain.setdefault(method.name, method)
    if name not in plain:
        raise UserError(f"balancer 'cr_mogm': method={name!r} is not one of them; {did_you_mean(name, plain)}")
    return plain[name](**options)


def _below(kind: type[GradientBalancer]) -> Iterator[type[GradientBalancer]]:
    """All subclasses: every method is one, and knows no list of them."""
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)
