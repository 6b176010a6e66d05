"""Statistics of comparisons: pure functions of arrays."""

from .bootstrap import Interval, bootstrap_interval
from .delta_m import DeltaM, delta_m
from .nemenyi import cliques, critical_difference
from .paired import TestResult, holm, paired_tests
from .pareto import pareto_front
from .ranks import mean_ranks

__all__ = [
    "DeltaM",
    "Interval",
    "TestResult",
    "bootstrap_interval",
    "cliques",
    "critical_difference",
    "delta_m",
    "holm",
    "mean_ranks",
    "paired_tests",
    "pareto_front",
]
