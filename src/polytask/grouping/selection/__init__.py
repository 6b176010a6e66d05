"""Choice of the networks to train: a pure function of a matrix of affinities and a budget."""

from .result import Selection
from .select import choose_budget, score_curve, select_networks

__all__ = ["Selection", "choose_budget", "score_curve", "select_networks"]
