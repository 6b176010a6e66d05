from .kind import Kind
from .kinds import KINDS, METRICS
from .metrics import Metric
from .names import ARRAY_KINDS, TABLE_KINDS
from .task import Task

__all__ = ["ARRAY_KINDS", "KINDS", "METRICS", "TABLE_KINDS", "Kind", "Metric", "Task"]
