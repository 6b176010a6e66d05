"""What the data of a run are, as plain values for its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from ...data import Rows, Schema
from ...display.text import fewer
from ...task import Task
from ...training.evaluation import task_targets

#: Characters of a line that states how columns were understood; tables can have thousands of columns.
LONGEST_LINE = 240
#: Classes that are named; the others are counted together.
MOST_CLASSES = 8
#: Rows that shares and quantiles are of at most.
MOST_ROWS = 50_000


def overview(schema: Schema, rows: Mapping[str, Rows], notes: Sequence[str]) -> dict[str, Any]:
    """Targets, columns and what was left out.

    Returns:
        ``targets``: by task its ``kind``, its ``transform`` if it has one, the number of ``labels`` by part, and what
        :meth:`polytask.task.Kind.summary` states about the training rows; ``columns``: lines on the features;
        ``left_out``: lines on what is not used, and why; ``notes``: lines on how the data were read.
    """
    counts = {part: found.label_counts().tolist() for part, found in rows.items()}
    targets = {
        task.name: {
            "kind": task.kind,
            **({"transform": task.transform} if task.transform else {}),
            "labels": {part: found[position] for part, found in counts.items()},
            **_summary(task, position, rows["train"]),
        }
        for position, task in enumerate(schema.tasks)
    }
    return {
        "targets": targets,
        "columns": [_short(line) for line in schema.describe_features()],
        "left_out": [_short(line) for line in schema.describe_left_out()],
        "notes": [_short(line) for line in fewer(notes)],
    }


def _short(line: str) -> str:
    return shorten(line, LONGEST_LINE, placeholder=" ...")


def _summary(task: Task, position: int, rows: Rows) -> dict[str, Any]:
    """The kind's summary of a task's training targets, with the most frequent classes alone."""
    targets = task_targets(rows, position)[1]
    some = targets[:: max(1, -(-len(targets) // MOST_ROWS))].cpu().numpy()
    found = task.definition.summary(task, some)
    shares = sorted(found.get("shares", {}).items(), key=lambda pair: -pair[1])
    if len(shares) > MOST_CLASSES:
        named = dict(shares[: MOST_CLASSES - 1])
        found["shares"] = named | {
            f"{len(shares) - len(named):,} others": sum(share for _, share in shares[len(named) :])
        }
    return found
