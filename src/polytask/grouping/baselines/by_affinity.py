"""Networks with the highest score of a measured affinity: TAG, or the cosine of gradients."""

from __future__ import annotations

from ..selection import Selection, score_curve, select_networks
from .context import Context


def by_affinity(context: Context) -> list[Selection]:
    """The best networks for every budget.

    Source: C. Fifty et al., NeurIPS 2021, arXiv:2109.04617; with the cosine similarity of gradients as affinity its
    baseline CS.
    """
    first, last = context.budgets[0], context.budgets[-1]
    if len(context.budgets) == 1:
        return [select_networks(context.measured, first, **context.wishes)]
    return score_curve(context.measured, last, **context.wishes)
