"""Which tasks belong together: affinity, and the choice of networks from it."""

from .affinity_matrix import Affinity
from .selection import Selection, choose_budget, score_curve, select_networks

__all__ = ["Affinity", "Selection", "choose_budget", "score_curve", "select_networks"]
