from . import balancing
from .data import Rows, as_rows, rows_of_data_sets, standardise
from .distillation import ConvergenceMonitor, SoftLabels, SoftLabelStore, Teacher
from .errors import UserError
from .grouping import Affinity, Selection, select_networks
from .models import MultiTaskModel, TableEncoder
from .task import Task
from .training import (
    MTLKD,
    AffinityProbe,
    AsynchronousConvergence,
    BestOfEach,
    Callback,
    CooperativeDistillation,
    Freeze,
    Frozen,
    HeldTasks,
    OnlineDistillation,
    Pace,
    SequentialConvergence,
    TrainingSettings,
    evaluate,
    fit,
    measure_affinity,
    task_estimate,
    train_teachers,
)
from .uncertainty import Estimate

__all__ = [
    "MTLKD",
    "Affinity",
    "AffinityProbe",
    "AsynchronousConvergence",
    "BestOfEach",
    "Callback",
    "ConvergenceMonitor",
    "CooperativeDistillation",
    "Estimate",
    "Freeze",
    "Frozen",
    "HeldTasks",
    "MultiTaskModel",
    "OnlineDistillation",
    "Pace",
    "Rows",
    "Selection",
    "SequentialConvergence",
    "SoftLabelStore",
    "SoftLabels",
    "TableEncoder",
    "Task",
    "Teacher",
    "TrainingSettings",
    "UserError",
    "as_rows",
    "balancing",
    "evaluate",
    "fit",
    "measure_affinity",
    "rows_of_data_sets",
    "select_networks",
    "standardise",
    "task_estimate",
    "train_teachers",
]
__version__: str
