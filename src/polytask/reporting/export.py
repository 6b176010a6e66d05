"""What the report of a run shows, as files for papers: figures, and the tables behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..records.events import MEASURED
from ..records.run import Run, read_run
from .build import figures
from .figures import write_figure
from .outcome import BASELINES, Row, rows
from .tables import Table, write_table
from .templates import style

#: Characters of a file's name; each can be four bytes of the 255 that there are.
LONGEST = 50


def export_run(folder: Path, to: Path) -> None:
    """Write all figures of a run as SVG (and PNG with the extra ``figures``), its tables as CSV and Markdown.

    Args:
        folder: The folder of one run.
        to: Where files go: one for each task and kind of figure; ``tasks``, ``affinity`` and ``course`` are tables.

    Raises:
        UserError: If ``folder`` is not a run, or a file of it is damaged.
    """
    run = read_run(folder)
    drawn = figures(run)
    css = style()
    for name, drawing in zip(file_names(drawn), drawn.values(), strict=True):
        write_figure(to / name, drawing, css)
    for name, table in tables(run).items():
        write_table(to / name, table)


def file_names(names: Iterable[str]) -> list[str]:
    """Names for files, all different and short enough for every file system.

    Example:
        >>> file_names(["curve a/b", "curve a:b", "score"])
        ['curve-a-b', 'curve-a-b-2', 'score']
    """
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w.+]+", "-", name)[:LONGEST].strip("-.")
        repeated = sum(re.sub(r"-\d+$", "", other) == plain or other == plain for other in found)
        found.append(f"{plain}-{repeated + 1}" if repeated else plain)
    return found


def tables(run: Run) -> dict[str, Table]:
    """``course``: every evaluation of every training; ``tasks``: results; ``affinity``: the matrix."""
    found = {"course": _history(run), "tasks": _tasks(rows(run))}
    if run.affinity is not None:
        lines = zip(run.affinity.tasks, run.affinity.values, strict=True)
        found["affinity"] = (["an update on", *run.affinity.tasks], [[task, *values] for task, values in lines])
    return {name: (header, lines) for name, (header, lines) in found.items() if lines}


def _history(run: Run) -> Table:
    header = ["training", "task", "epoch", "step", *MEASURED]
    lines = [
        [training.name, task, point.epoch, point.step, *(getattr(point, key).get(task) for key in MEASURED)]
        for training in run.log.trainings.values()
        for point in training.evaluations
        for task in point.validation
    ]
    return header, lines


def _tasks(results: Sequence[Row]) -> Table:
    others = list(results[0].others) if results else []
    header = ["task", "kind", "metric", "direction", "test", "validation"]
    header += [*(f"{BASELINES[name]} test" for name in others), "network", "converged at epoch", "peak", "peak kept"]
    lines = [
        [row.task, row.kind, row.metric, row.direction, row.ours.test, row.ours.validation,
         *(row.others[name].test for name in others), " ".join(map(str, row.networks)), row.converged_epoch,
         row.peak, row.kept]
        for row in results
    ]  # fmt: skip
    return header, lines
