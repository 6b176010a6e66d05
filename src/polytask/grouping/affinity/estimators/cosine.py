"""Cosine similarity of the tasks' gradients: the baseline CS, which looks at directions only."""

from __future__ import annotations

import torch
from torch import Tensor

from ....balancing import TaskLosses
from ....balancing.gradients import GradientRows, gramian, shared_rows
from .estimator import Estimator, Moment, Sample
from .gramian import Gramian


class Cosine(Estimator):
    """``g_i g_j / (|g_i| |g_j|)`` of the gradients of the shared parameters; symmetric.

    Source: C. Fifty et al., NeurIPS 2021, arXiv:2109.04617, baseline CS.
    """

    name = "cosine"
    every = Gramian.every  # it costs the same

    def after_forward(self, moment: Moment, common: tuple[Tensor, ...] | None, losses: TaskLosses) -> Sample:
        shared = moment.model.shared_parameters()
        products = gramian([GradientRows(row) for row in shared_rows(losses.values, common, shared)])
        return Sample(cosines(products), losses.present, gramian=products)


def cosines(products: Tensor) -> Tensor:
    """Cosines ``[K, K]`` from inner products; NaN with a gradient that is zero.

    Example:
        >>> cosines(torch.tensor([[4.0, 2.0], [2.0, 4.0]]))
        tensor([[1.0000, 0.5000],
                [0.5000, 1.0000]])
    """
    lengths = products.diagonal().clamp_min(0).sqrt()
    return torch.where(torch.outer(lengths, lengths) > 0, products / torch.outer(lengths, lengths), torch.nan)
