"""IMTL-G: equal projections onto all gradients."""

from __future__ import annotations

from typing import Any

from ..aggregator import Aggregator


class IMTLG(Aggregator):
    """The update has equal projections onto the directions of all gradients.

    ``w = v / sum v``, ``v = G^+ diag(G)^(1/2)`` with the Gramian G; weights sum to 1 and may be negative.

    Args:
        gradients: ``exact``, ``representation`` or ``gramian``: where the gradients come from.
        every: Steps between new weights.
        head_weighting: Weigh the heads' gradients as the shared ones; by default they are left as they are.

    Cost:
        A backward pass through the shared layers per task and K gradients of their size (``exact``), and a
        pseudo-inverse of a K x K matrix.

    When to choose it:
        Gradients of very different norm. Unstable where gradients nearly cancel.

    Deviations:
        The pseudo-inverse (torchjd) in place of the inverse of other code, which fails for dependent gradients.

    Reference:
        L. Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, https://openreview.net/forum?id=IMPnRXEWpvr.
        Through torchjd.
    """

    name = "imtl_g"

    def _make(self, torchjd: Any) -> Any:
        return torchjd.IMTLGWeighting()
