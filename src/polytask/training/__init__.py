"""The loop, its settings and what takes part in it."""

from .callbacks import AsynchronousConvergence, Callback, EarlyStopping
from .common_checkpoint import CommonCheckpoint, kept_share
from .evaluation import Evaluation, evaluate
from .events import EventLog
from .fit import TaskResult, TrainingResult, fit
from .loop import Training
from .objective import Objective
from .settings import TrainingSettings

__all__ = [
    "AsynchronousConvergence",
    "Callback",
    "CommonCheckpoint",
    "EarlyStopping",
    "Evaluation",
    "EventLog",
    "Objective",
    "TaskResult",
    "Training",
    "TrainingResult",
    "TrainingSettings",
    "evaluate",
    "fit",
    "kept_share",
]
