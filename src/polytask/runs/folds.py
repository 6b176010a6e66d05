"""Cross-validation: every row is predicted once by networks that have not seen it, and a run on all rows is served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from ..data import load_split
from ..display.display import Display
from ..files import replaced, write_bytes
from ..models import MultiTaskModel
from ..processes.collectives import is_first, wait_for_all
from ..records.folder import RunFolder
from ..records.values import number
from ..task import METRICS, Metric, Task
from ..uncertainty import Estimate, estimate
from .averaged import Outputs
from .bundle import Bundle
from .results import bounds, mean_gain
from .trainer import Trainer
from .use import table_of

if TYPE_CHECKING:
    from ..config import Config
    from ..training.loop import Progress

#: In the folder of a fold's run: what its networks predict for its test rows, in units of the labels.
PREDICTIONS = "test_predictions.safetensors"
#: In the folder of the whole run: the predictions for all rows by networks that have not seen them.
OUT_OF_FOLD = "out_of_fold.parquet"


def fold_folders(run: RunFolder, config: Config) -> list[Path]:
    """Where the runs of the folds are."""
    return [run.path / "folds" / str(fold) for fold in range(config.folds or 0)]


class FoldDisplay(Display):
    """Shows the trainings of one fold, and nothing else."""

    def __init__(self, display: Display, title: str) -> None:
        self._display, self._title = display, title

    def trained_before(self) -> None:
        self._display.trained_before()

    @contextmanager
    def training(self, title: str, *, counts: bool = True) -> Iterator[Progress | None]:
        with self._display.training(f"{self._title}: {title}", counts=counts) as progress:
            yield progress


def save_predictions(
    trainer: Trainer, plans: Mapping[str, tuple[Sequence[MultiTaskModel], Mapping[str, Sequence[int]]]]
) -> None:
    """Write what networks predict for the test rows of a fold.

    Args:
        trainer: Of the fold's run.
        plans: By name networks, and by task the numbers of those that serve it.
    """
    rows, found = trainer.data.rows["test"], dict[str, Tensor]()
    at = torch.from_numpy(np.flatnonzero(trainer.data.split == 2))
    for plan, (models, serves) in plans.items():
        every = Outputs(rows, trainer.data.tasks, dict(enumerate(models)))
        for position, task in enumerate(trainer.data.tasks):
            if not (own := serves.get(task.name, ())):
                continue
            served = next(one for one in models[own[0]].tasks if one.name == task.name)
            outputs, targets, ids = every.labelled(task.name, own)
            if not len(ids):
                continue
            predictions = served.definition.predict(outputs)
            of_rows = {
                "predictions": _in_units(served, predictions),
                "labels": served.definition.labels(predictions),
                "targets": _in_units(served, targets),
                "rows": at[ids],
                "units": at[ids] if rows.groups is None else rows.units(ids),
            }
            found |= {f"{plan}/{position}/{name}": value.contiguous() for name, value in of_rows.items()}
    if is_first():
        write_bytes(trainer.run.path / PREDICTIONS, save(found))


def _in_units(task: Task, values: Tensor) -> Tensor:
    return task.in_units(values) if task.definition.numeric else values


@dataclass(frozen=True)
class Pooled:
    """Predictions of one task for all rows with a label, by networks of all folds.

    Attributes:
        task: The task.
        predictions: ``[n]`` or ``[n, C]``; numbers in units of the labels.
        labels: ``[n]`` what is predicted.
        targets: ``[n]``; numbers in units of the labels.
        rows: ``[n]`` positions in the table.
        units: ``[n]`` what the rows count as in standard errors: those of one group are equal.
    """

    task: Task
    predictions: Tensor
    labels: Tensor
    targets: Tensor
    rows: Tensor
    units: Tensor

    def metric(self, name: str) -> Metric:
        """A metric of the task, which takes the labels as every fold has predicted them."""
        metric = self.task.defined_metric(name)
        if not METRICS[name].by_label:
            return metric
        given = partial(_these, self.labels)
        own = METRICS[name]
        influence = own.influence and partial(own.influence, labels=given)
        return replace(own, value=partial(own.value, labels=given), influence=influence)

    def estimate(self, name: str) -> Estimate:
        """Its value over all rows, with its error."""
        return estimate(self.metric(name), self.predictions, self.targets, self.units)

    def trivial(self, name: str) -> float:
        """What a constant prediction reaches."""
        return self.metric(name).trivial(self.targets)


def _these(labels: Tensor, _: Tensor) -> Tensor:
    return labels


def pooled(folders: Sequence[Path], tasks: Sequence[Task]) -> dict[str, dict[str, Pooled]]:
    """By plan and task the predictions of all folds; plans that not all folds have are left out."""
    files = [load_file(folder / PREDICTIONS) for folder in folders]
    found: dict[str, dict[str, Pooled]] = {}
    for plan in {key.split("/")[0] for file in files for key in file}:
        if not all(any(key.startswith(f"{plan}/") for key in file) for file in files):
            continue
        for position, task in enumerate(tasks):
            begin = f"{plan}/{position}/"
            own = [file for file in files if f"{begin}rows" in file]
            if own:
                joined = {name: torch.cat([file[begin + name] for file in own])
                          for name in ("predictions", "labels", "targets", "rows", "units")}  # fmt: skip
                found.setdefault(plan, {})[task.name] = Pooled(task, **joined)
    return found


def with_folds(run: RunFolder, config: Config, tasks: Sequence[Task], results: dict[str, Any]) -> dict[str, Any]:
    """The results of the run on all rows, with test metrics over the predictions of all folds."""
    folders = fold_folders(run, config)
    plans = pooled(folders, tasks)
    ours = {name: one.estimate(one.task.metric) for name, one in plans["ours"].items()}
    trivial = {name: number(one.trivial(one.task.metric)) for name, one in plans["ours"].items()}
    entries = {name: entry | _measured(plans["ours"][name]) if name in ours else entry
               for name, entry in results["tasks"].items()}  # fmt: skip
    baselines = {
        name: {
            task: values | _against(plans[name][task], ours[task], len(ours)) if task in plans[name] else values
            for task, values in found.items()
        }
        for name, found in results["baselines"].items()
        if name in plans
    }
    totals = results["totals"] | {
        "folds": len(folders),
        "trivial": results["totals"]["trivial"] | trivial,
        "mean_gain_over_single_task": mean_gain(entries, baselines.get("single_task", {}), trivial),
        "mean_gain_over_all_in_one": mean_gain(entries, baselines.get("all_in_one", {}), trivial),
    }
    return results | {"tasks": entries, "baselines": baselines, "totals": totals}


def _measured(found: Pooled) -> dict[str, Any]:
    """What an entry of ``results.json`` states about predictions of all folds."""
    estimates = {name: found.estimate(name) for name in found.task.metrics}
    intervals = {
        name: bounds(one, direction=found.task.defined_metric(name).direction) for name, one in estimates.items()
    }
    main = found.task.metric
    entry: dict[str, Any] = {"test": number(estimates[main].value), "interval": intervals[main],
                             "trivial": number(found.trivial(main)),
                             "metrics": {name: number(one.value) for name, one in estimates.items()}}  # fmt: skip
    if found.task.also:
        entry["intervals"] = intervals
        entry["trivials"] = {name: number(found.trivial(name)) for name in estimates}
    return entry


def _against(found: Pooled, ours: Estimate, tasks: int) -> dict[str, Any]:
    """What an entry of a baseline states."""
    value = found.estimate(found.task.metric)
    sign = found.task.metric_definition.sign
    return {"test": number(value.value), "gain_interval": bounds((ours - value) * sign, tasks)}


def bundles_of_folds(run: RunFolder, config: Config) -> Iterator[tuple[Bundle, pa.Table, np.ndarray]]:
    """Of every fold its networks, its test rows, and their positions ``[n]`` in the table."""
    for folder in fold_folders(run, config):
        bundle = Bundle.load(folder, trust=True)  # this process has trained it
        at = np.flatnonzero(load_split(RunFolder(folder).split)[0] == 2)
        yield bundle, table_of(bundle, Path(config.tables[0]), Display()).take(pa.array(at)), at


def write_out_of_fold(run: RunFolder, config: Config) -> None:
    """Write the predictions for all rows of the table, in its order, each by the networks of the fold that tests it."""
    path = Path(config.tables[0])
    parts, places = [], []
    for fold, (bundle, table, at) in enumerate(bundles_of_folds(run, config)):
        found = bundle.predict(table, folder=path.parent, where=path.name)
        first = {} if bundle.schema.id_column in found.column_names else {"row": pa.array(at + 1)}
        parts.append(pa.table({**first, **dict(zip(found.column_names, found.columns, strict=True)),
                               "fold": pa.array(np.full(len(at), fold))}))  # fmt: skip
        places.append(at)
    whole = pa.concat_tables(parts).take(pa.array(np.argsort(np.concatenate(places))))
    with replaced(run.path / OUT_OF_FOLD) as temporary:
        pa.parquet.write_table(whole, temporary)


def finish_folds(trainer: Trainer, results: dict[str, Any]) -> dict[str, Any]:
    """What is left to do when the runs of all folds and that on all rows are done."""
    wait_for_all()
    if is_first():
        write_out_of_fold(trainer.run, trainer.config)
    return with_folds(trainer.run, trainer.config, trainer.data.tasks, results)
