"""How sure a number measured on some rows is: its standard error, that of a difference, and when to believe one.

Every decision that is made from validation data (has a task learned, has it converged, which checkpoint, which network)
takes its error bar from here.
"""

from .decide import critical, exceeds, interval
from .estimate import BLOCKS, Estimate, estimate, mean_of, trivial_estimate

__all__ = ["BLOCKS", "Estimate", "critical", "estimate", "exceeds", "interval", "mean_of", "trivial_estimate"]
