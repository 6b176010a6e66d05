"""Distillation: when a task has converged, and the soft labels it then learns from."""

from .monitor import ConvergenceMonitor
from .soft_label_store import SoftLabelStore, map_labels
from .soft_labels import SoftLabels, check_mixture

__all__ = ["ConvergenceMonitor", "SoftLabelStore", "SoftLabels", "check_mixture", "map_labels"]
