from . import balancing
from .config import Freeze, Pace, TrainingSettings
from .data import Rows, as_rows, rows_of_data_sets, standardise
from .distillation import ConvergenceMonitor, SoftLabels, SoftLabelStore, Teacher
from .errors import UserError
from .estimators import MultiTaskClassifier, MultiTaskEstimator, MultiTaskRegressor, TablePredictor, load
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
    Frozen,
    HeldTasks,
    OnlineDistillation,
    SequentialConvergence,
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
    "MultiTaskClassifier",
    "MultiTaskEstimator",
    "MultiTaskModel",
    "MultiTaskRegressor",
    "OnlineDistillation",
    "Pace",
    "Rows",
    "Selection",
    "SequentialConvergence",
    "SoftLabelStore",
    "SoftLabels",
    "TableEncoder",
    "TablePredictor",
    "Task",
    "Teacher",
    "TrainingSettings",
    "UserError",
    "as_rows",
    "balancing",
    "evaluate",
    "fit",
    "load",
    "measure_affinity",
    "rows_of_data_sets",
    "select_networks",
    "standardise",
    "task_estimate",
    "train_teachers",
]
__version__: str
