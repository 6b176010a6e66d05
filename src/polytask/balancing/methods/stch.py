"""Smooth Tchebycheff scalarisation: mostly the worst task, smoothly."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..balancer import Balancer
from ..needs import Needs
from ..task_losses import TaskLosses

FORMS = ("paper", "mtl")


def stch_weights(
    losses: Tensor, mu: float = 0.1, *, preference: Tensor | None = None, ideal: Tensor | float = 0.0
) -> Tensor:
    """Weights of ``mu log sum_t exp(p_t (L_t - z_t) / mu)``: ``p_t softmax(p (L - z) / mu)_t``.

    Args:
        losses: ``[K]``.
        mu: Smoothing; towards 0 only the worst task counts.
        preference: ``[K]``, ``1 / K`` by default.
        ideal: ``z``, the best value that a loss can reach.

    Example:
        >>> stch_weights(torch.tensor([.5, 2., 1.]), 1.0)
        tensor([0.0870, 0.1435, 0.1028])
    """
    preference = torch.full_like(losses, 1 / len(losses)) if preference is None else preference
    return preference * torch.softmax(preference * (losses - ideal) / mu, 0)


def stch_mtl_weights(losses: Tensor, nadir: Tensor, mu: float = 1.0, eps: float = 1e-8) -> Tensor:
    """Weights of ``K mu logsumexp(log(L / nadir) / mu)``, the form of the authors' multi-task code.

    Args:
        losses: ``[K]``.
        nadir: ``[K]`` mean losses of an early epoch.

    Example:
        >>> stch_mtl_weights(torch.tensor([.5, 2., 1.]), torch.tensor([1., 2., 2.]))
        tensor([1.5000, 0.7500, 0.7500])
    """
    losses = losses.clamp_min(0) + eps
    return len(losses) * torch.softmax((losses / nadir).log() / mu, 0) / losses


class STCH(Balancer):
    """Smooth Tchebycheff scalarisation: the worst task counts most, smoothly.

    ``form="paper"``: ``total = mu log sum_t exp((L_t - z_t) / (K mu))``. ``form="mtl"``: the authors' multi-task code,
    ``K mu log sum_t (L_t / n_t)^(1 / mu)`` with the nadir ``n_t`` = mean loss of the epoch after ``warmup_epochs``;
    until it is known, ``sum_t log L_t``.

    Args:
        form: ``paper`` or ``mtl``.
        mu: Smoothing; 0.1 for ``paper`` (an example value of the paper's code), 1 for ``mtl`` (the authors' default).
        ideal: Best reachable loss by task name, for ``paper``; 0 by default.
        warmup_epochs: Epochs of ``sum log L`` in ``mtl``; 4 in the authors' code. Call :meth:`end_epoch`.

    Cost:
        None.

    When to choose it:
        When the worst task decides; ``mtl`` where losses differ in scale.

    Source:
        X. Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", ICML 2024, arXiv:2402.19078.
    """

    name = "stch"

    def __init__(
        self,
        form: str = "paper",
        *,
        mu: float | None = None,
        ideal: Mapping[str, float] | None = None,
        warmup_epochs: int = 4,
    ) -> None:
        super().__init__()
        self._check(form=(form, FORMS))
        self.form = form
        self.mu = (0.1 if form == "paper" else 1.0) if mu is None else mu
        self._check_range(mu=(self.mu, 1e-6, float("inf")), warmup_epochs=(warmup_epochs, 0, float("inf")))
        self.ideal_values = dict(ideal or {})
        self.warmup_epochs = warmup_epochs
        self.ideal: Tensor
        self.state: Tensor
        self.epoch: Tensor
        self.register_buffer("ideal", torch.zeros(0), persistent=False)
        self.register_buffer("state", torch.zeros(0))
        self.register_buffer("epoch", torch.tensor(0))

    @property
    def needs(self) -> Needs:
        return Needs(epochs=True, losses="positive") if self.form == "mtl" else Needs()

    def _start(self, tasks: int) -> None:
        self._check_names("stch: ideal", self.ideal_values)
        self.ideal = torch.tensor([float(self.ideal_values.get(task, 0.0)) for task in self.tasks])
        # Rows: sum of losses and of samples in this epoch, nadir.
        self.state = torch.zeros(3, tasks, dtype=torch.float64)
        self.state[2] = torch.nan
        self.epoch = torch.tensor(0)

    def weights(self, losses: TaskLosses) -> Tensor:
        present = losses.present
        weights = torch.zeros_like(losses.means)
        means = losses.means[present]
        if self.form == "paper":
            weights[present] = stch_weights(means, self.mu, ideal=self.ideal[present])
            return weights
        counts = torch.where(losses.usable, losses.counts, 0.0)
        self.state[0] += torch.where(losses.usable, losses.means, 0.0) * counts
        self.state[1] += counts
        nadir = self.state[2, present].to(means.dtype)
        nadir = torch.where(nadir.isnan(), means, nadir)  # a task without one counts as standing at its nadir
        known = self.epoch > self.warmup_epochs
        plain = 1 / (means.clamp_min(0) + 1e-8)
        weights[present] = torch.where(known, stch_mtl_weights(means, nadir.clamp_min(1e-8), self.mu), plain)
        return weights

    def end_epoch(self) -> None:
        super().end_epoch()
        if not self.tasks:  # an epoch without a step
            return
        sums, counts, nadir = self.state
        take = (self.epoch >= self.warmup_epochs) & nadir.isnan() & (counts > 0)
        self.state = torch.stack(
            [torch.zeros_like(sums), torch.zeros_like(counts), torch.where(take, sums / counts, nadir)]
        )
        self.epoch = self.epoch + 1

    def _forget(self, task: int) -> None:
        self.state[:2, task] = 0
        self.state[2, task] = torch.nan
