"""What the resamples of the probes say, in words."""

from __future__ import annotations

from typing import Any

from ..records.run import Run
from ..records.values import number
from .heatmap import Notes
from .numbers import percent, short


def stability(run: Run) -> dict[str, Any] | None:
    """Regret and verdict of the choice, if it was resampled; of the planned networks where others were kept."""
    found = _found(run)
    if not found or number(found.get("regret")) is None:
        return None
    regret, resamples = percent(number(found["regret"])), number(found.get("resamples"))
    return {"resamples": f"{resamples:g}" if resamples else "", "regret": regret, "enough": bool(found.get("enough"))}


def notes(run: Run) -> Notes | None:
    """What is added to the words on a cell of the heat map: interval, and how often both share a network."""
    found = _found(run)
    if run.affinity is None or not all(_square(found.get(key), len(run.affinity.tasks)) for key in KEYS):
        return None

    def note(i: int, j: int) -> str:
        low, high, together = (found[key][i][j] for key in KEYS)
        return f"; 95 % interval {short(low)} to {short(high)}; in one network in {percent(together)} of resamples"

    return note


KEYS = ("low", "high", "together")


def _found(run: Run) -> dict[str, Any]:
    return (run.selection.get("planned") or run.selection).get("stability") or {}


def _square(matrix: Any, count: int) -> bool:
    return (
        isinstance(matrix, list)
        and len(matrix) == count
        and all(isinstance(row, list) and len(row) == count and None not in map(number, row) for row in matrix)
    )
