"""What takes part in a training beside the loop."""

from .affinity import AffinityProbe, affinity_from_state
from .callback import Callback
from .convergence import AsynchronousConvergence
from .converging import Converging
from .early_stopping import EarlyStopping
from .sequential import SequentialConvergence

__all__ = [
    "AffinityProbe",
    "AsynchronousConvergence",
    "Callback",
    "Converging",
    "EarlyStopping",
    "SequentialConvergence",
    "affinity_from_state",
]
