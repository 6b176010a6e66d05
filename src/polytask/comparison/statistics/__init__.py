"""Statistics of comparisons: pure functions of arrays."""

from .bootstrap import Interval, bootstrap_interval
from .delta_m import DeltaM, delta_m
from .nemenyi import cliques, critical_difference, critical_range
from .paired import TestResult, holm, paired_tests, pairs_needed, smallest_p
from .pareto import pareto_front
from .ranks import mean_ranks

__all__ = [
    "DeltaM",
    "Interval",
    "TestResult",
    "bootstrap_interval",
    "cliques",
    "critical_difference",
    "critical_range",
    "delta_m",
    "holm",
    "mean_ranks",
    "paired_tests",
    "pairs_needed",
    "pareto_front",
    "smallest_p",
]
