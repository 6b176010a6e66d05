"""Networks with the highest score of a measured affinity: TAG, or the cosine of gradients."""

from __future__ import annotations

from ..selection import Selection, score_curve, select_networks
from .context import Context

#: Tasks beyond which the search has a time limit, and the limit: that of 1,000 tasks takes minutes otherwise.
MANY, MOST_SECONDS = 200, 60.0


def by_affinity(context: Context) -> list[Selection]:
    """The best networks for every budget; of more than 200 tasks what a search of a minute finds.

    Source: C. Fifty et al., NeurIPS 2021, arXiv:2109.04617; with the cosine similarity of gradients as affinity its
    baseline CS.
    """
    first, last = context.budgets[0], context.budgets[-1]
    seconds = MOST_SECONDS if len(context.tasks) > MANY else None
    if len(context.budgets) == 1:
        return [select_networks(context.measured, first, seconds=seconds, **context.constraints)]
    return score_curve(context.measured, last, seconds=seconds, **context.constraints)
