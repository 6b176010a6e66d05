from .adaptors import Adaptors
from .convergence import Convergence, check_tasks, labels_of, monitor_of, soft_loss_fits
from .feature_distance import adaptive_feature_distance, feature_distance
from .monitor import ConvergenceMonitor
from .online import online_task_weights
from .soft_label_store import SoftLabelStore, let_go, map_labels
from .soft_labels import SoftLabels, check_soft_labels
from .teacher import Teacher

__all__ = [
    "Adaptors",
    "Convergence",
    "ConvergenceMonitor",
    "SoftLabelStore",
    "SoftLabels",
    "Teacher",
    "adaptive_feature_distance",
    "check_soft_labels",
    "check_tasks",
    "feature_distance",
    "labels_of",
    "let_go",
    "map_labels",
    "monitor_of",
    "online_task_weights",
    "soft_loss_fits",
]
