"""Distillation: when a task has converged, and the soft labels it then learns from."""

from .monitor import ConvergenceMonitor
from .soft_labels import SoftLabels, check_mixture

__all__ = ["ConvergenceMonitor", "SoftLabels", "check_mixture"]
