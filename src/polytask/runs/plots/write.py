"""All plots of a finished run: of the rows that are read at the end, or of the predictions of all folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data import Rows
from ...files import write_json
from ...models import MultiTaskModel
from ...processes.collectives import is_first
from ...reporting.telling import telling_tasks
from ...task import Task
from ...task.kind import Plot
from ...task.plots import Graph
from ...task.plots.classes import confusion
from ..averaged import Outputs
from ..folds import bundles_of_folds, fold_folders, pooled
from ..trainer import Trainer
from ..use import labelled_rows
from .features import Part, feature_plots
from .targets import correlations, missing_labels

#: Targets that are drawn; a page with the plots of a thousand would open slowly.
MOST_TARGETS = 24
#: Rows that plots are of; more do not change what the eye sees.
MOST_ROWS = 20_000


@dataclass(frozen=True)
class Predicted:
    """What is predicted for the rows with a label of one target.

    Attributes:
        task: The target, in the units of the others.
        predictions: ``[n]`` or ``[n, C]``, see :meth:`polytask.task.Kind.predict`.
        targets: ``[n]`` or ``[n, L]``.
        rows: ``[n]`` positions among all rows.
        units: ``[n]`` what they count as in intervals: those of one group are equal.
        labels: ``[n]`` predicted classes, where several thresholds have made them; else those of the task's own.
    """

    task: Task
    predictions: Tensor
    targets: Tensor
    rows: Tensor
    units: Tensor
    labels: Tensor | None = None

    def plots(self) -> list[Plot]:
        """Of this target alone."""
        found = self.task.definition.plots(self.task, self.predictions, self.targets, self.units)
        return found if self.labels is None else [self._without_threshold(plot, self.labels) for plot in found]

    def _without_threshold(self, plot: Plot, labels: Tensor) -> Plot:
        if plot.name == "confusion":
            return confusion(self.targets, labels, self.task.classes) or plot
        if isinstance(plot, Graph) and any(line.role == "mark" for line in plot.lines):
            return replace(plot, lines=tuple(line for line in plot.lines if line.role != "mark"), note="")
        return plot


def write_plots(
    trainer: Trainer,
    models: Sequence[MultiTaskModel],
    serves: Mapping[str, Sequence[int]],
    results: Mapping[str, Any],
) -> None:
    """Write ``plots.json``: by target its plots, and those of all targets together.

    Those of a cross-validation are of the predictions for all rows by networks that have not seen them, those of the
    features the mean over the folds.

    Args:
        trainer: Has the rows.
        models: The networks; their tasks have the thresholds that are served.
        serves: By task the numbers of the networks whose mean prediction is served.
        results: The content of ``results.json``; of many targets it tells those to draw.
    """
    if trainer.final_part != "test" or trainer.config.fold is not None:
        return  # of a search, or a fold, nobody looks at every run
    drawn = set(telling_tasks(results, MOST_TARGETS))
    tasks = [task for task in trainer.data.tasks if task.name in drawn]
    if trainer.config.folds is not None:
        predicted, n = _of_folds(trainer, tasks), len(trainer.data.split)
        parts = _parts_of_folds(trainer)
    else:
        rows = _some(trainer.data.rows[trainer.final_part], trainer.config.seed)
        outputs = Outputs(rows, trainer.data.tasks, {str(number): model for number, model in enumerate(models)})
        served = {task.name: [str(number) for number in serves[task.name]] for task in tasks}
        predicted, n = _of_rows(outputs, tasks, served), len(rows)
        parts = [Part(trainer.data.schema, outputs, served)]
    importance, dependence = feature_plots(parts, tasks, trainer.config.seed)
    by_task = {one.task.name: [*one.plots(), *dependence.get(one.task.name, ())] for one in predicted}
    missing = missing_labels(trainer.data.rows["train"], tasks, trainer.data.tasks)
    if is_first():
        _write(trainer, by_task, [*importance, *correlations(_columns(predicted, n)), *missing])


def _of_rows(outputs: Outputs, tasks: Sequence[Task], served: Mapping[str, Sequence[str]]) -> list[Predicted]:
    """What networks predict for test rows."""
    found = []
    for task in tasks if len(outputs.rows) else ():
        raw, targets, ids = outputs.labelled(task.name, served[task.name])
        found.append(Predicted(task, task.definition.predict(raw), targets, ids, outputs.rows.units(ids)))
    return found


def _of_folds(trainer: Trainer, tasks: Sequence[Task]) -> list[Predicted]:
    """What the networks of every fold predict for its test rows, numbers in units of the labels."""
    known = pooled(fold_folders(trainer.run, trainer.config), trainer.data.tasks)["ours"]
    chosen = _chosen(len(trainer.data.split), trainer.config.seed)
    found = []
    for task in tasks:
        if one := known.get(task.name):
            here = torch.isin(one.rows, chosen)
            same_units = replace(task, center=0.0, scale=1.0, transform="", parameters=())
            labels = one.labels[here] if task.definition.thresholded else None
            of_rows = one.predictions[here], one.targets[here], one.rows[here], one.units[here]
            found.append(Predicted(same_units, *of_rows, labels))
    return found


def _parts_of_folds(trainer: Trainer) -> list[Part]:
    """The networks of every fold with its test rows."""
    parts = []
    folder = Path(trainer.config.tables[0]).parent
    for bundle, table, _ in bundles_of_folds(trainer.run, trainer.config):
        rows, _ = labelled_rows(bundle, table, folder=folder, where=trainer.config.data_name)
        outputs = Outputs(rows, bundle.schema.tasks, {str(k): model for k, model in enumerate(bundle.networks)})
        served = {name: [str(number) for number in numbers] for name, numbers in bundle.serves.items()}
        parts.append(Part(bundle.schema, outputs, served))
    return parts


def _write(trainer: Trainer, by_task: Mapping[str, Sequence[Plot]], together: Sequence[Plot]) -> None:
    write_json(trainer.run.plots, {
        "tasks": {name: [plot.to_dict() for plot in plots] for name, plots in by_task.items()},
        "all": [plot.to_dict() for plot in together],
    })  # fmt: skip


def _some(rows: Rows, seed: int) -> Rows:
    """At most :data:`MOST_ROWS` of the rows, in order."""
    return rows if len(rows) <= MOST_ROWS else rows.subset(_chosen(len(rows), seed))


def _chosen(rows: int, seed: int) -> Tensor:
    """Positions of at most :data:`MOST_ROWS` of this many rows, in order."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed))[:MOST_ROWS].sort().values


def _columns(predicted: Sequence[Predicted], n: int) -> dict[str, tuple[Tensor, Tensor]]:
    """By target labels and predictions ``[n]`` float64 of all rows, NaN where there is no label."""
    columns = {}
    for one in predicted:
        if (values := one.task.definition.expected(one.predictions)) is not None:
            found = torch.full((2, n), torch.nan, dtype=torch.float64)
            found[:, one.rows] = torch.stack([one.targets.double(), values.double()])
            columns[one.task.name] = (found[0], found[1])
    return columns
