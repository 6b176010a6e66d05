"""Which rows members and families learn from and are judged on: every row is predicted by one that has not seen it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...config import Config
from ...data import Rows
from ...data.rows import joined
from ...task import Task
from ...training.evaluation import task_targets
from .families import Family, ToLearn

#: Folds of families beside networks that have none.
FOLDS = 5


@dataclass(frozen=True)
class Development:
    """The training and validation rows, and how they are divided.

    Attributes:
        rows: Training rows, then validation rows.
        folds: By fold the rows to learn from and those that are predicted.
        judged: ``[m]`` the rows that everything has a prediction for: all, or those of the validation part.
        apart: ``[m]`` rows that are in no fold: those of the validation part, where it judges a student.
    """

    rows: Rows
    folds: tuple[tuple[Tensor, Tensor], ...]
    judged: Tensor
    apart: Tensor

    @property
    def fits(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Rows to learn from and rows that are predicted, of every model that judges a family."""
        if not len(self.apart):
            return self.folds
        everyone = torch.arange(len(self.rows))
        return (*self.folds, (everyone[~torch.isin(everyone, self.apart)], self.apart))

    @property
    def in_folds(self) -> bool:
        """Every row is held out once."""
        return len(self.judged) == len(self.rows)


def folds_possible(config: Config) -> bool:
    """Whether rows may be held out by chance: not where the user names them, or where rows are grouped."""
    return isinstance(config.split, tuple) and not (config.group or config.time or config.held_files or config.folds)


def development(config: Config, train: Rows, validation: Rows, networks: int, apart: bool = False) -> Development:
    """How the rows of a run are divided.

    Where rows may be held out by chance there are as many folds as networks (or :data:`FOLDS`); otherwise families
    learn from the training rows and are judged on the validation rows.

    Args:
        config: The run's configuration.
        train: Training rows.
        validation: Validation rows.
        networks: Members of the ensemble of networks, or 1.
        apart: No fold learns from validation rows, by which a student of what the folds predict is judged.
    """
    rows, first = joined([train, validation]), len(train)
    everyone = torch.arange(len(rows))
    held, nothing = everyone[first:], everyone[:0]
    whole = Development(rows, ((everyone[:first], held),), held, nothing)
    if not folds_possible(config):
        return whole
    count, divided = networks if networks > 1 else FOLDS, everyone[:first] if apart else everyone
    order = torch.randperm(len(divided), generator=torch.Generator().manual_seed(config.seed))
    fold = torch.empty(len(divided), dtype=torch.long)
    fold[order] = torch.arange(len(divided)) % count
    folds = tuple((divided[fold != k], divided[fold == k]) for k in range(count))
    if any(not rows.subset(learn).label_counts().all() for learn, _ in folds):  # a target with very few labels
        return whole
    return Development(rows, folds, everyone if networks > 1 else held, held if apart else nothing)


@dataclass(frozen=True)
class CrossFitted:
    """A family for one target.

    Attributes:
        variant: The variant with the best metric over all folds.
        outputs: ``[n]`` or ``[n, C]`` raw outputs for the rows of :attr:`Development.rows`, with a label or without,
            NaN where a row is in no fold.
    """

    variant: int
    outputs: Tensor


def cross_fit(
    family: Family, task: Task, inputs: object, ids: Tensor, labels: ToLearn, data: Development, seed: int
) -> CrossFitted | None:
    """Fit a family for one target in every fold; None where a fold has nothing to learn."""
    observed = torch.zeros(len(data.rows), dtype=torch.bool)
    observed[ids] = True
    found: list[list[Tensor]] = []
    held: list[Tensor] = []
    for learn, hold in data.fits:
        fit = learn[observed[learn]]
        if len(labels.targets[fit].unique()) < 2:
            return None
        if len(hold):
            found.append(family.variants(task, inputs, fit, hold, labels, seed))
            held.append(hold)
    rows, each = torch.cat(held), [torch.cat(parts) for parts in zip(*found, strict=True)]
    known = observed[rows]
    values = [_value(task, predictions[known], labels.targets[rows[known]]) for predictions in each]
    best = max(range(len(each)), key=lambda variant: values[variant])
    outputs = task.definition.outputs_of(each[best])
    whole = torch.full((len(data.rows), *outputs.shape[1:]), torch.nan)
    whole[rows] = outputs
    return CrossFitted(best, whole)


def labels_of(rows: Rows, position: int) -> ToLearn:
    """Targets and weights of one task, for all rows."""
    weights = None
    if rows.weights is not None:
        weights = rows.weights[:, 0 if rows.weights.shape[1] == 1 else position]
    return ToLearn(rows.targets[:, position], weights)


def _value(task: Task, predictions: Tensor, targets: Tensor) -> float:
    metric = task.metric_definition
    targets, unit = task.measured_targets(targets, metric)
    value = metric.sign * metric(task.in_units(predictions) if task.parameters else predictions, targets) * unit
    return value if math.isfinite(value) else -math.inf


def labelled(rows: Rows, position: int, among: Tensor) -> tuple[Tensor, Tensor]:
    """Those of some rows that have a label, and their targets."""
    ids, targets = task_targets(rows, position)
    inside = torch.zeros(len(rows), dtype=torch.bool)
    inside[among] = True
    return ids[inside[ids]], targets[inside[ids]]
