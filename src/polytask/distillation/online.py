"""Online distillation: how tasks are weighted by their lag behind networks that learn one task at the same time."""

from __future__ import annotations

import torch
from torch import Tensor


def online_task_weights(student: Tensor, teacher: Tensor, temperature: float = 1.0, cap: float | None = None) -> Tensor:
    """``K softmax(r / T)`` with ``r_t`` the student's mean loss of the last epoch relative to the single-task net's.

    Args:
        student: ``[K]`` mean losses.
        teacher: ``[K]`` mean losses of the single-task networks, more than 0.
        temperature: T.
        cap: Largest ratio.

    Returns:
        ``[K]`` weights that sum to K.

    Source:
        G. M. Jacob, V. Agarwal, B. Stenger, WACV 2023. Their code has T = 0.1 and clips ``exp(r / T)`` to 10, which
        makes the weights equal for all ratios above 0.23; here nothing is clipped.

    Example:
        >>> online_task_weights(torch.tensor([1.10, .90, 1.25]), torch.ones(3))
        tensor([1.0065, 0.8241, 1.1694])
    """
    ratios = student / teacher.clamp_min(1e-12)
    if cap is not None:
        ratios = ratios.clamp_max(cap)
    return len(ratios) * torch.softmax(ratios / temperature, 0)
