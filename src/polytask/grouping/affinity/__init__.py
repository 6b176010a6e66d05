"""How much an update on one task helps the others."""

from .lookahead import affinity_of_losses, lookahead_losses, untouched
from .statistics import AffinityStatistics

__all__ = ["AffinityStatistics", "affinity_of_losses", "lookahead_losses", "untouched"]
