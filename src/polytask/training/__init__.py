"""The loop, its settings and what takes part in it."""

from .callbacks import AffinityProbe, AsynchronousConvergence, Callback, EarlyStopping, SequentialConvergence
from .common_checkpoint import CommonCheckpoint, kept_share
from .evaluation import Evaluation, evaluate
from .events import EventLog
from .fit import TaskResult, TrainingResult, fit
from .loop import Training, check_balancer
from .measure_affinity import measure_affinity
from .objective import Objective
from .settings import TrainingSettings

__all__ = [
    "AffinityProbe",
    "AsynchronousConvergence",
    "Callback",
    "CommonCheckpoint",
    "EarlyStopping",
    "Evaluation",
    "EventLog",
    "Objective",
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
]
