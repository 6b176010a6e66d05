"""Distillation: when a task has converged, and the soft labels it then learns from."""

from .adaptors import Adaptors
from .convergence import Convergence, ConvergenceOptions
from .feature_distance import adaptive_feature_distance, feature_distance
from .monitor import ConvergenceMonitor
from .online import online_task_weights
from .soft_label_store import SoftLabelStore, let_go, map_labels
from .soft_labels import SoftLabels, check_mixture
from .teachers import Teacher

__all__ = [
    "Adaptors",
    "Convergence",
    "ConvergenceMonitor",
    "ConvergenceOptions",
    "SoftLabelStore",
    "SoftLabels",
    "Teacher",
    "adaptive_feature_distance",
    "check_mixture",
    "feature_distance",
    "let_go",
    "map_labels",
    "online_task_weights",
]
