from .affinity_matrix import Affinity
from .selection import Selection, choose_budget, score_curve, select_networks
from .windows import Windows

__all__ = ["Affinity", "Selection", "Windows", "choose_budget", "score_curve", "select_networks"]
