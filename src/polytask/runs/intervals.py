"""Prediction intervals and sets of a finished run: scores of the validation rows, coverage on the test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..files import write_json
from ..records.folder import RunFolder
from ..task.conformal import MOST, Scores
from ..task.wilson import wilson
from .averaged import Outputs
from .preparation.prepared import MOST_LINES

#: Scores that are kept of all tasks, so that the file stays small, and of each at least.
_OF_ALL, _LEAST = 200_000, 100
#: Raw outputs, stored targets and numbers of rows with a label.
Labelled = tuple[Tensor, Tensor, Tensor]


def interval_scores(
    validation: Outputs, serves: Mapping[str, Sequence[int]], held: Mapping[str, Labelled] | None = None
) -> dict[str, Scores]:
    """Scores of the validation rows of every task that has intervals or sets.

    Args:
        validation: The networks on the validation rows; its tasks have the temperatures that are served.
        serves: By task the numbers of the networks whose mean prediction is served.
        held: Of networks that have learned from the validation rows, what others predict for them: see
            :meth:`~polytask.runs.averaged.Outputs.labelled`.
    """
    found, most = {}, max(_LEAST, min(MOST, _OF_ALL // max(1, len(validation.tasks))))
    for name, task in validation.tasks.items():
        if task.definition.interval_names(task):
            outputs, targets, _ = held[name] if held else validation.labelled(name, serves[name])
            scores = task.definition.nonconformity(task.definition.predict(outputs), targets)
            if scores is not None and len(scores):
                found[name] = Scores.of(scores, most)
    return found


def coverage(
    test: Outputs, serves: Mapping[str, Sequence[int]], scores: Mapping[str, Scores], level: float
) -> dict[str, dict[str, Any]]:
    """How often intervals of a level hold the label on rows that nothing was decided by.

    Returns:
        By task ``form`` (intervals or sets), ``level``, ``share`` of the rows that are covered, its 95 % ``interval``,
        and ``size``: the mean width of the intervals or number of classes in the sets; null where there are too few
        validation rows for the level.
    """
    found = {}
    for name, own in scores.items():
        task, limit = test.tasks[name], own.limit(level)
        outputs, targets, units = test.counted(name, serves[name])
        predictions = task.definition.predict(outputs)
        unusual = task.definition.nonconformity(predictions, targets)
        if unusual is not None and len(targets):
            covered = (unusual <= limit).double()
            size = float(np.mean(task.definition.interval_sizes(task, predictions, limit)))
            found[name] = {
                "form": "intervals" if task.definition.numeric else "sets",
                "level": level,
                "share": float(covered.mean()),
                "interval": list(wilson(covered, units)),
                "size": size if np.isfinite(size) else None,
            }
    return found


def save_scores(run: RunFolder, scores: Mapping[str, Scores], level: float | None) -> None:
    """Write ``intervals.json``, which the bundle reads."""
    tasks = {name: {"values": one.values, "ranks": one.ranks} for name, one in scores.items()}
    write_json(run.intervals, {"level": level, "tasks": tasks}, compact=True)


def described_coverage(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines for the user, one for each target, or of many targets one for all.

    Example:
        >>> one = {"form": "sets", "level": 0.9, "share": 0.92, "interval": [0.9, 0.94], "size": 1.0}
        >>> described_coverage({f"t{number}": one for number in range(99)})
        ['90% sets hold 92.0% to 92.0% of the test labels of 99 targets, 92.0% on average']
    """
    if len(found) <= MOST_LINES:
        return [_line(name, one) for name, one in found.items()]
    shares = [one["share"] for one in found.values()]
    level = next(iter(found.values()))["level"]
    held = f"{min(shares):.1%} to {max(shares):.1%} of the test labels of {len(found):,} targets"
    forms = " and ".join(sorted({one["form"] for one in found.values()}))
    return [f"{level:.0%} {forms} hold {held}, {sum(shares) / len(shares):.1%} on average"]


def _line(name: str, found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    few = "" if found["size"] is not None else "; too few validation rows for that level: nothing is left out"
    held = f"hold {found['share']:.1%} of the test labels ({low:.1%} to {high:.1%})"
    return f"{name}: {found['level']:.0%} {found['form']} {held}{few}"
