"""Dynamic task prioritisation: difficult tasks get larger weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import UserError, raise_all
from ..balancer import Balancer
from ..needs import Needs
from ..task_losses import TaskLosses

NORMALISE = ("none", "sum_to_K")
SOURCES = ("training", "validation")
#: No skill is larger but for rounding.
MOST = 1.001


def dtp_weights(level: Tensor, gamma: Tensor | float = 1.0, clip: float = 0.01) -> Tensor:
    """``-(1 - level)^gamma log level``, at least 0.

    Args:
        level: ``[K]`` how good each task is, 0 to 1, clipped to ``[clip, 1 - clip]``.
        gamma: Focusing exponent, one or ``[K]``; larger means that good tasks matter even less.

    Example:
        >>> dtp_weights(torch.tensor([.9, .6, .3]))
        tensor([0.0105, 0.2043, 0.8428])
    """
    level = level.clamp(clip, 1 - clip)
    return -((1 - level) ** gamma) * level.log()


class DTP(Balancer):
    """Dynamic task prioritisation: tasks whose metric is still poor get larger weights.

    ``w_t = -(1 - k_t)^gamma_t log k_t`` with the running mean ``k_t <- alpha new + (1 - alpha) k_t`` of a key
    performance indicator in (0, 1]. Here that is the task's skill score (0 trivial, 1 perfect) after every evaluation,
    which, unlike accuracy, is not high for a constant prediction of a frequent class; weights are 1 before the first.
    In your own loop call :meth:`observe_metrics` with any indicator between 0 and 1.

    Args:
        gamma: Focusing exponent: a number for all tasks, a list with one per task, or by task name (1 for a task that
            is left out). The paper's values are not public, 1 is ours.
        alpha: Weight of the NEW value in the running mean, 0 to 1; 0.1 is ours. The first value starts the mean.
        clip: Indicators are kept within ``[clip, 1 - clip]``, so that weights stay finite and learning continues.
        normalise: ``none`` as in the paper; ``sum_to_K`` divides by the mean weight, so that learning does not stop
            when all tasks are good.
        kpi_source: ``training`` (a sample of the training rows) or ``validation``.
        absent: See :class:`~polytask.balancing.Balancer`.

    Cost:
        None per step; metrics on a sample of the training rows at every evaluation.

    When to choose it:
        When the metric, not the loss, states which task needs work, and all tasks have one between 0 and 1.

    Deviations:
        The paper also uses a focal loss on the examples within each task. A balancer sees mean losses, so it is not
        part of this method.

    Source:
        M. Guo, A. Haque, D.-A. Huang, S. Yeung, L. Fei-Fei, "Dynamic Task Prioritization for Multitask Learning", ECCV
        2018, doi:10.1007/978-3-030-01270-0_17.
    """

    name = "dtp"
    sees = "metrics"

    def __init__(
        self,
        gamma: float | Sequence[float] | Mapping[str, float] = 1.0,
        *,
        alpha: float = 0.1,
        clip: float = 0.01,
        normalise: str = "none",
        kpi_source: str = "training",
        absent: str = "keep",
    ) -> None:
        super().__init__(absent=absent)
        self._check(normalise=(normalise, NORMALISE), kpi_source=(kpi_source, SOURCES))
        given = gamma.values() if isinstance(gamma, Mapping) else gamma if isinstance(gamma, Sequence) else [gamma]
        for number in given:
            self._check_range(gamma=(number, 0, float("inf")))
        self._check_range(alpha=(alpha, 1e-6, 1), clip=(clip, 1e-6, 0.49))
        self.gamma, self.alpha, self.clip, self.normalise = gamma, alpha, clip, normalise
        self.kpi_source: Any = kpi_source
        self.exponents: Tensor
        self.level: Tensor
        self.register_buffer("exponents", torch.ones(0), persistent=False)
        self.register_buffer("level", torch.ones(0))

    @property
    def needs(self) -> Needs:
        return Needs(metrics=self.kpi_source)

    def _start(self, tasks: int) -> None:
        self.exponents = torch.tensor(self._gammas(tasks))
        self.level = torch.full((tasks,), torch.nan)

    def _gammas(self, tasks: int) -> list[float]:
        """One exponent per task."""
        if isinstance(self.gamma, Mapping):
            self._check_names("dtp: gamma", self.gamma)
            return [float(self.gamma.get(task, 1.0)) for task in self.tasks]
        given = [float(gamma) for gamma in self.gamma] if isinstance(self.gamma, Sequence) else [self.gamma] * tasks
        if len(given) != tasks:
            raise UserError(f"dtp: gamma: expected one number per task ({tasks}), found {len(given)}")
        return [float(gamma) for gamma in given]

    def observe_metrics(self, levels: Mapping[str, float]) -> None:
        super().observe_metrics(levels)
        raise_all([
            f"balancer 'dtp': observe_metrics: expected a skill of at most 1 for {task!r}, found {levels[task]:g}; "
            "give a share instead of per cent, and of errors how much better than trivial they are"
            for task in self.tasks if float(levels.get(task, 0.0)) > MOST
        ])  # fmt: skip
        new = torch.tensor([float(levels.get(task, torch.nan)) for task in self.tasks], device=self.level.device)
        new = new.clamp(self.clip, 1 - self.clip)
        mean = torch.where(self.level.isnan(), new, self.alpha * new + (1 - self.alpha) * self.level)
        self.level = torch.where(new.isnan(), self.level, mean)

    def weights(self, losses: TaskLosses) -> Tensor:
        known = ~self.level.isnan()
        weights = torch.where(known, dtp_weights(self.level, self.exponents, self.clip), 1.0)
        return weights / weights.mean() if self.normalise == "sum_to_K" else weights
