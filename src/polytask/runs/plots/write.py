"""All plots of a finished run, computed from the rows that are read at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...data import Rows
from ...files import write_json
from ...models import MultiTaskModel
from ...processes.collectives import is_first
from ...reporting.telling import telling_tasks
from ...task.kind import Plot
from ..averaged import Outputs
from ..trainer import Trainer
from .features import feature_plots
from .targets import correlations, missing_labels

#: Targets that are drawn; a page with the plots of a thousand would open slowly.
MOST_TARGETS = 24
#: Rows that plots are of; more do not change what the eye sees.
MOST_ROWS = 20_000


def write_plots(
    trainer: Trainer,
    models: Sequence[MultiTaskModel],
    serves: Mapping[str, Sequence[int]],
    results: Mapping[str, Any],
) -> None:
    """Write ``plots.json``: by target its plots, and those of all targets together.

    Args:
        trainer: Has the rows.
        models: The networks; their tasks have the thresholds that are served.
        serves: By task the numbers of the networks whose mean prediction is served.
        results: The content of ``results.json``; of many targets it tells those to draw.
    """
    if trainer.final_part != "test" or trainer.config.fold is not None:
        return  # of a search or a cross-validation nobody looks at every run
    rows = _some(trainer.data.rows[trainer.final_part], trainer.config.seed)
    drawn = set(telling_tasks(results, MOST_TARGETS))
    tasks = [task for task in trainer.data.tasks if task.name in drawn]
    outputs = Outputs(rows, trainer.data.tasks, {str(number): model for number, model in enumerate(models)})
    served = {task.name: [str(number) for number in serves[task.name]] for task in tasks}
    plots: dict[str, list[Plot]] = {}
    expected: dict[str, tuple[Tensor, Tensor]] = {}
    for task in tasks if len(rows) else ():
        found, targets, ids = outputs.labelled(task.name, served[task.name])
        predictions = task.definition.predict(found)
        plots[task.name] = task.definition.plots(task, predictions, targets)
        if (values := task.definition.expected(predictions)) is not None:
            expected[task.name] = _columns(len(rows), ids, targets, values)
    together: list[Plot] = [*correlations(expected), *missing_labels(trainer.data.rows["train"], tasks,
                                                                                trainer.data.tasks)]  # fmt: skip
    importance, dependence = feature_plots(trainer.data.schema, outputs, tasks, served, trainer.config.seed)
    if is_first():
        _write(
            trainer, {name: [*own, *dependence.get(name, ())] for name, own in plots.items()}, [*importance, *together]
        )


def _write(trainer: Trainer, by_task: Mapping[str, Sequence[Plot]], together: Sequence[Plot]) -> None:
    write_json(trainer.run.plots, {
        "tasks": {name: [plot.to_dict() for plot in plots] for name, plots in by_task.items()},
        "all": [plot.to_dict() for plot in together],
    })  # fmt: skip


def _some(rows: Rows, seed: int) -> Rows:
    """At most :data:`MOST_ROWS` of the rows, in order."""
    if len(rows) <= MOST_ROWS:
        return rows
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:MOST_ROWS]
    return rows.subset(chosen.sort().values)


def _columns(n: int, ids: Tensor, targets: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and predictions ``[n]`` float64 of all rows, NaN where there is no label."""
    found = torch.full((2, n), torch.nan, dtype=torch.float64)
    found[:, ids] = torch.stack([targets.double(), values.double()])
    return found[0], found[1]
