"""UPGrad: every gradient freed of its conflicts, then averaged."""

from __future__ import annotations

from ..aggregator import Projection


class UPGrad(Projection):
    """Every task's gradient is projected until it conflicts with none, then they are averaged.

    ``update = mean_t projection of g_t onto {x: g_j . x >= 0 for all j}``: no task's loss goes up, to first order.

    Args:
        reg_eps: Added to the diagonal of the Gramian of trace 1, for the solver; torchjd's default.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and K quadratic
        programs. With ``representation`` the backward passes reach the representation only.

    When to choose it:
        The first choice among methods with per-task gradients; the update keeps the length of a mean, not of a sum.

    Source:
        P. Quinton, V. Rey, "Jacobian Descent for Multi-Objective Optimization", 2024, arXiv:2406.16232. Through
        torchjd.
    """

    name = "upgrad"
    weighting = "UPGradWeighting"
