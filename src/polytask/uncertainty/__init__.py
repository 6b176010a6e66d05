"""How sure a number measured on some rows is: its standard error, that of a difference, and when to believe one.

Every decision that is made from validation data (has a task learned, has it converged, which checkpoint, which network)
takes its error bar from here.
"""

from .decide import THREE_ERRORS, critical, exceeds, interval
from .estimate import BLOCKS, Estimate, as_estimate, estimate, estimate_of_rows, mean_of, skill_of, trivial_estimate
from .shared import estimates_of_first

__all__ = [
    "BLOCKS",
    "THREE_ERRORS",
    "Estimate",
    "as_estimate",
    "critical",
    "estimate",
    "estimate_of_rows",
    "estimates_of_first",
    "exceeds",
    "interval",
    "mean_of",
    "skill_of",
    "trivial_estimate",
]
