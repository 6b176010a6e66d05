"""polytask: one library and one command for people who have many targets to predict."""

from . import balancing
from .data import Rows
from .distillation import ConvergenceMonitor, SoftLabels
from .errors import UserError
from .grouping import Affinity, Selection, select_networks
from .models import MultiTaskModel, TableEncoder
from .task import Task
from .training import (
    AffinityProbe,
    AsynchronousConvergence,
    Callback,
    SequentialConvergence,
    TrainingSettings,
    evaluate,
    fit,
    measure_affinity,
)

__all__ = [
    "Affinity",
    "AffinityProbe",
    "AsynchronousConvergence",
    "Callback",
    "ConvergenceMonitor",
    "MultiTaskModel",
    "Rows",
    "Selection",
    "SequentialConvergence",
    "SoftLabels",
    "TableEncoder",
    "Task",
    "TrainingSettings",
    "UserError",
    "balancing",
    "evaluate",
    "fit",
    "measure_affinity",
    "select_networks",
]
__version__ = "0.1.0"
