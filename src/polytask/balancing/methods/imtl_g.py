"""IMTL-G: equal projections onto all gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..aggregator import Aggregator

#: What counts as 0 among cosines, and among projections relative to the terms that they are made of.
UNEQUAL = 1e-4


def equal_projections(gramian: Tensor) -> Tensor:
    """``[n]`` weights with sum 1 whose update has equal projections onto the directions of all gradients.

    The weights v for unit gradients solve ``(cos_i - cos_1) . v = 0``; of several solutions the one nearest to equal
    weights is taken. Opposite gradients leave nothing of each other.

    Example:
        >>> equal_projections(torch.tensor([[1.0, -2.0], [-2.0, 4.0]]))
        tensor([0.6667, 0.3333])
    """
    norms = gramian.double().diagonal().sqrt()
    cosines = gramian.double() / norms / norms[:, None]
    _, sizes, basis = torch.linalg.svd(cosines[1:] - cosines[:1])
    rank = int((sizes > UNEQUAL).sum())
    free = basis[rank:]
    weights = free.T @ (free @ (1 / norms)) / norms
    return (weights / weights.sum()).to(gramian)


class IMTLG(Aggregator):
    """The update has equal projections onto the directions of all gradients.

    ``w = v / sum v``, ``v = G^+ diag(G)^(1/2)`` with the Gramian G; weights sum to 1 and may be negative.

    Args:
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and a
        pseudo-inverse of a K x K matrix.

    When to choose it:
        Gradients of very different norm. Unstable where gradients nearly cancel.

    Deviations:
        The pseudo-inverse (torchjd) instead of the inverse of other code, which fails for dependent gradients. Where
        its update would go against one gradient and along another (gradients that are opposite), equal projections are
        solved for directly, which leaves nothing of such gradients.

    Source:
        L. Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, https://openreview.net/forum?id=IMPnRXEWpvr.
        Through torchjd.
    """

    name = "imtl_g"

    def solve(self, gramian: Tensor, present: Tensor) -> Tensor:
        weights = super().solve(gramian, present)
        projections = (gramian @ weights) / gramian.diagonal().sqrt()
        slack = UNEQUAL * (weights.abs() * gramian.diagonal().sqrt()).sum()
        against = projections.min() < -slack and projections.max() > slack
        return equal_projections(gramian) if bool(against) or not bool(weights.any()) else weights

    def _make(self, torchjd: Any) -> Any:
        return torchjd.IMTLGWeighting()
