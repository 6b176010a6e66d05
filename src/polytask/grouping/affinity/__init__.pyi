from .estimators import AUTO, ESTIMATORS, Estimator, Moment, Sample, make_estimators
from .lookahead import (
    affinity_of_falls,
    affinity_of_gramian,
    affinity_of_losses,
    first_order_falls,
    lookahead_losses,
    untouched,
)
from .statistics import AffinityStatistics
from .virtual_step import LOOKAHEADS, shared_learning_rate, virtual_step

__all__ = [
    "AUTO",
    "ESTIMATORS",
    "LOOKAHEADS",
    "AffinityStatistics",
    "Estimator",
    "Moment",
    "Sample",
    "affinity_of_falls",
    "affinity_of_gramian",
    "affinity_of_losses",
    "first_order_falls",
    "lookahead_losses",
    "make_estimators",
    "shared_learning_rate",
    "untouched",
    "virtual_step",
]
