"""What a run costs: passes per step from what a method declares, and memory as measured."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

from ..balancing import Needs

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def passes(needs: Needs, tasks: int) -> tuple[float, float]:
    """Forward and backward passes of the shared part per step, in units of one pass.

    Example:
        >>> passes(Needs(), 5), passes(Needs(gradients="exact"), 5), passes(Needs(second_forward=True), 5)
        ((1.0, 1.0), (1.0, 5.0), (2.0, 1.0))
    """
    backward = float(tasks) if needs.gradients in ("gramian", "exact") else 1.0
    return (2.0 if needs.second_forward else 1.0), backward


def reset_peak_memory() -> None:
    """Start to measure :func:`peak_memory` afresh, where the system can (Linux)."""
    with suppress(OSError):
        _CLEAR.write_text("5")


def peak_memory() -> int:
    """Largest resident memory of this process in bytes since :func:`reset_peak_memory`, or since it began."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
