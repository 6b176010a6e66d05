from .callbacks import (
    MTLKD,
    AffinityProbe,
    AsynchronousConvergence,
    BestOfEach,
    Callback,
    CooperativeDistillation,
    EarlyStopping,
    EnsembleDistillation,
    HeldTasks,
    OnlineDistillation,
    SequentialConvergence,
)
from .checks import check_training, check_trains
from .common_checkpoint import CommonCheckpoint, kept_share
from .evaluation import Evaluation, evaluate, task_estimate
from .events import EventLog
from .fit import TaskResult, TrainingResult, fit
from .freezing import Frozen
from .loop import Training
from .measure_affinity import measure_affinity
from .objective import Objective
from .parts import Parts, only_parts_of
from .single_task import teacher_of, train_teacher, train_teachers

__all__ = [
    "MTLKD",
    "AffinityProbe",
    "AsynchronousConvergence",
    "BestOfEach",
    "Callback",
    "CommonCheckpoint",
    "CooperativeDistillation",
    "EarlyStopping",
    "EnsembleDistillation",
    "Evaluation",
    "EventLog",
    "Frozen",
    "HeldTasks",
    "Objective",
    "OnlineDistillation",
    "Parts",
    "SequentialConvergence",
    "TaskResult",
    "Training",
    "TrainingResult",
    "check_training",
    "check_trains",
    "evaluate",
    "fit",
    "kept_share",
    "measure_affinity",
    "only_parts_of",
    "task_estimate",
    "teacher_of",
    "train_teacher",
    "train_teachers",
]
