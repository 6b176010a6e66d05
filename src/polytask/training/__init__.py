"""The loop, its settings and what takes part in it."""

from .callbacks import (
    MTLKD,
    AffinityProbe,
    AsynchronousConvergence,
    Callback,
    CooperativeDistillation,
    EarlyStopping,
    OnlineDistillation,
    SequentialConvergence,
)
from .common_checkpoint import CommonCheckpoint, kept_share
from .evaluation import Evaluation, evaluate
from .events import EventLog
from .fit import TaskResult, TrainingResult, fit
from .loop import Training, check_balancer
from .measure_affinity import measure_affinity
from .objective import Objective
from .settings import TrainingSettings
from .teachers import teacher_of, train_teacher, train_teachers

__all__ = [
    "MTLKD",
    "AffinityProbe",
    "AsynchronousConvergence",
    "Callback",
    "CommonCheckpoint",
    "CooperativeDistillation",
    "EarlyStopping",
    "Evaluation",
    "EventLog",
    "Objective",
    "OnlineDistillation",
    "SequentialConvergence",
    "TaskResult",
    "Training",
    "TrainingResult",
    "TrainingSettings",
    "check_balancer",
    "evaluate",
    "fit",
    "kept_share",
    "measure_affinity",
    "teacher_of",
    "train_teacher",
    "train_teachers",
]
