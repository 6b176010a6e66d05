"""Balancing: every way to turn the losses of K tasks into one update."""

from .balancer import Balancer
from .dwa import DWA, dwa_weights
from .equal import Equal
from .static import Static
from .task_losses import TaskLosses

#: Methods by the name they have on the command line.
BALANCERS: dict[str, type[Balancer]] = {method.name: method for method in (Equal, Static, DWA)}

__all__ = ["BALANCERS", "DWA", "Balancer", "Equal", "Static", "TaskLosses", "dwa_weights"]
