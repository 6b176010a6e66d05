"""DualProj: the mean gradient, freed of its conflicts."""

from __future__ import annotations

from ..aggregator import Projection


class DualProj(Projection):
    """The mean gradient is projected until it conflicts with no task's.

    ``update = projection of mean_t g_t onto {x: g_j . x >= 0 for all j}``.

    Args:
        reg_eps: Added to the diagonal of the Gramian of trace 1, for the solver; torchjd's default.
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Also apply the weights to the heads' gradients; by default these are unweighted.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and one quadratic
        program.

    When to choose it:
        As ``upgrad``, with one program per step instead of K.

    Source:
        D. Lopez-Paz, M. Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017, arXiv:1706.08840, Eq.
        11. Through torchjd.
    """

    name = "dual_proj"
    weighting = "DualProjWeighting"
