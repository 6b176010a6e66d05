"""Dynamic weight average: tasks whose loss falls slowly get larger weights."""

from __future__ import annotations

import torch
from torch import Tensor

from ..balancer import Balancer
from ..needs import Needs
from ..task_losses import TaskLosses


def dwa_weights(previous: Tensor, before: Tensor, temperature: float = 2.0, eps: float = 1e-12) -> Tensor:
    """``K softmax(r / T)`` with ``r = previous / before``.

    Args:
        previous: ``[K]`` mean losses of the last epoch.
        before: ``[K]`` mean losses of the epoch before; a ratio that is not defined (at most ``eps``, a loss below 0,
            or NaN for a task without a past) counts as 1.
        temperature: Larger means more equal weights.

    Returns:
        ``[K]`` weights that sum to K.

    Example:
        >>> dwa_weights(torch.tensor([.8, 3.6, 1.]), torch.tensor([1., 4., 2.]))
        tensor([1.0302, 1.0830, 0.8867])
    """
    ratio = previous / before
    ratio = torch.where((before > eps) & (previous >= 0) & torch.isfinite(ratio), ratio, 1.0)
    return len(ratio) * torch.softmax(ratio / temperature, 0)


class DWA(Balancer):
    """Dynamic weight average: tasks whose loss falls slowly get larger weights.

    ``w_t(e) = K exp(r_t / T) / sum_j exp(r_j / T)``, ``r_t = L_t(e-1) / L_t(e-2)``, with the epoch means of the
    unweighted training losses; 1 in the first two epochs. A task without labels for an epoch keeps its mean. Call
    :meth:`end_epoch` in your own loop.

    Args:
        temperature: T, more than 0; 2 in the paper.
        absent: See :class:`~polytask.balancing.Balancer`.

    Cost:
        None.

    When to choose it:
        Rarely changes much: ratios are near 1, so weights are within a few percent of each other. Choose it if tasks
        learn at clearly different speeds, over many epochs.

    Deviations:
        Means are averages over samples of an epoch, as in the paper; some public code takes windows of 25 steps and
        starts with ones.

    Source:
        S. Liu, E. Johns, A. Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019,
        arXiv:1803.10704, Eq. 7.
    """

    name = "dwa"

    def __init__(self, temperature: float = 2.0, *, absent: str = "renormalise") -> None:
        super().__init__(absent=absent)
        self._check_range(temperature=(temperature, 1e-6, float("inf")))
        self.temperature = temperature
        self.state: Tensor
        self.current: Tensor
        self.register_buffer("state", torch.ones(0))
        self.register_buffer("current", torch.ones(0))

    @property
    def needs(self) -> Needs:
        return Needs(epochs=True)

    def _start(self, tasks: int) -> None:
        # Rows: sum of losses and of samples in this epoch, mean of the last epoch, mean of the one before.
        self.state = torch.zeros(4, tasks, dtype=torch.float64)
        self.state[2:] = torch.nan
        self.current = torch.ones(tasks)

    def weights(self, losses: TaskLosses) -> Tensor:
        counts = torch.where(torch.isfinite(losses.means), losses.counts, 0.0)
        self.state[:2] += torch.stack([torch.where(counts > 0, losses.means, 0.0) * counts, counts])
        return self.current

    def end_epoch(self) -> None:
        super().end_epoch()
        if not self.tasks:  # an epoch without a step
            return
        sums, counts, previous, _ = self.state
        mean = torch.where(counts > 0, sums / counts, previous)  # unseen for an epoch: keeps its mean, ratio 1
        self.state = torch.stack([torch.zeros_like(sums), torch.zeros_like(sums), mean, previous])
        self.current = dwa_weights(mean, previous, self.temperature).to(self.current.dtype)

    def _forget(self, task: int) -> None:
        self.state[:2, task] = 0
        self.state[2:, task] = torch.nan
        self.current = dwa_weights(self.state[2], self.state[3], self.temperature).to(self.current.dtype)
