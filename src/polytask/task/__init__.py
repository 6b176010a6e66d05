"""What one target is: its kind, losses and metric."""

from .kinds import KINDS, Kind
from .metrics import METRICS, Metric
from .task import Task

__all__ = ["KINDS", "METRICS", "Kind", "Metric", "Task"]
