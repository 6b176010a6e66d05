"""polytask: one library and one command for people who have many targets to predict."""

from . import balancing
from .data import Rows
from .distillation import ConvergenceMonitor, SoftLabels
from .errors import UserError
from .models import MultiTaskModel, TableEncoder
from .task import Task
from .training import AsynchronousConvergence, Callback, TrainingSettings, evaluate, fit

__all__ = [
    "AsynchronousConvergence",
    "Callback",
    "ConvergenceMonitor",
    "MultiTaskModel",
    "Rows",
    "SoftLabels",
    "TableEncoder",
    "Task",
    "TrainingSettings",
    "UserError",
    "balancing",
    "evaluate",
    "fit",
]
__version__ = "0.1.0"
