"""What takes part in a training beside the loop."""

from ..callback import Callback, ForwardPass
from .affinity import AffinityProbe, affinity_from_state
from .best_of_each import BestOfEach
from .convergence import AsynchronousConvergence
from .converging import Converging
from .cooperative import CooperativeDistillation
from .data_maps import DataMaps, maps_from_state
from .deadline import Deadline
from .distilling import MTLKD, EnsembleDistillation
from .early_stopping import EarlyStopping
from .held import HeldTasks
from .online import OnlineDistillation
from .sequential import SequentialConvergence

__all__ = [
    "MTLKD",
    "AffinityProbe",
    "AsynchronousConvergence",
    "BestOfEach",
    "Callback",
    "Converging",
    "CooperativeDistillation",
    "DataMaps",
    "Deadline",
    "EarlyStopping",
    "EnsembleDistillation",
    "ForwardPass",
    "HeldTasks",
    "OnlineDistillation",
    "SequentialConvergence",
    "affinity_from_state",
    "maps_from_state",
]
