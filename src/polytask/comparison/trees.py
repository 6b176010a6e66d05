"""Gradient-boosted trees, one ensemble for each target: what one would use for a table without any of this."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from ..config import Config
from ..data import Rows
from ..errors import raise_all
from ..records.values import number
from ..runs.linear import staged
from ..runs.preparation.prepare import prepare
from ..task import Task
from ..training.evaluation import task_targets, trivial_levels

#: Hashed text is projected to this many columns.
TEXT_COLUMNS = 64
#: Most different values of a column that scikit-learn's trees take as categories.
MOST_CATEGORIES = 255
#: Rounds between measurements on validation.
EVERY = 5


def fit_trees(config: Config, options: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Train on the same split as the networks, stop early on validation, and measure.

    scikit-learn's ``HistGradientBoostingClassifier`` and ``-Regressor``, at most 300 rounds; the best number of rounds
    is chosen by the task's metric on validation.

    Args:
        config: The run's configuration: data, split and seed.
        options: Arguments of the estimators.
        part: Part of the split that is read at the end.

    Returns:
        See :func:`polytask.comparison.execute.execute`.
    """
    data = prepare(config)
    raise_all([f"trees: target {task.name!r} is {task.kind}, which these trees do not support; leave the method or the "
               "target out" for task in data.tasks if task.definition.trees is None])  # fmt: skip
    features, categorical = _features(data.rows)
    levels = trivial_levels(data.tasks, data.rows[part])
    entries, rounds, nodes = {}, 0, 0
    for position, task in enumerate(data.tasks):
        measured = {
            name: _labelled(data.rows[name], features[name], position) for name in ("train", "validation", part)
        }
        model = _estimator(task, options, categorical, config.seed)
        with threadpool_limits(config.threads):
            model.fit(*(array.numpy() for array in measured["train"]))
        best, validation = _best_round(task, model, *measured["validation"])
        test = _after(task, model, *measured[part], best)
        metric = task.metric_definition
        entries[task.name] = {
            "kind": task.kind,
            "metric": task.metric,
            "direction": metric.direction,
            "validation": number(validation),
            "test": number(test),
            "kept": None,
            "trivial": number(levels[task.name]),
        }
        rounds += best
        nodes += sum(len(tree.nodes) for trees in model._predictors[:best] for tree in trees)
    cost = {"steps": rounds, "seconds_per_step": None, "parameters": nodes, "networks": len(data.tasks),
            "forwards": None, "backwards": None}  # fmt: skip
    return {"tasks": entries, "cost": cost}


def _features(rows: Mapping[str, Rows]) -> tuple[dict[str, torch.Tensor], list[int]]:
    """``[n, columns]`` by part, and which columns are categories: what the networks see, text projected."""
    blocks: dict[str, list[torch.Tensor]] = {part: [] for part in rows}
    categorical: list[int] = []
    width = 0
    keys = list(rows["train"].inputs)
    for key in keys:
        if key == "text":
            projected = _projected({part: found.inputs["text"] for part, found in rows.items()})
        else:
            projected = {part: found.inputs[key].double() for part, found in rows.items()}
        columns = projected["train"].shape[1]
        if key == "categorical":
            projected = _small_codes(projected)
            sizes = projected["train"].max(0).values if len(projected["train"]) else torch.zeros(columns)
            categorical = [width + column for column in range(columns) if sizes[column] < MOST_CATEGORIES]
        for part in rows:
            blocks[part].append(projected[part])
        width += columns
    return {part: torch.cat(found, 1) for part, found in blocks.items()}, categorical


def _small_codes(codes: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Codes counted per column: the networks' ones run through all columns. Unseen ones become missing."""
    found = {part: torch.full_like(values, torch.nan) for part, values in codes.items()}
    for column in range(codes["train"].shape[1]):
        known = codes["train"][:, column].unique()
        for part, values in codes.items():
            place = torch.searchsorted(known, values[:, column].contiguous()).clamp_max(len(known) - 1)
            same = known[place] == values[:, column]
            found[part][:, column] = torch.where(same, place.double(), torch.nan)
    return found


def _projected(text: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The first singular directions of the training rows' hashed text."""
    from sklearn.decomposition import TruncatedSVD

    matrices = {part: rows.scipy() for part, rows in text.items()}
    most = min(TEXT_COLUMNS, *(size - 1 for size in matrices["train"].shape))
    projection = TruncatedSVD(max(1, most), random_state=0).fit(matrices["train"])
    return {part: torch.from_numpy(projection.transform(matrix)).double() for part, matrix in matrices.items()}


def _labelled(rows: Rows, features: torch.Tensor, position: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids, targets = task_targets(rows, position)
    return features[ids], targets


def _estimator(task: Task, options: Mapping[str, Any], categorical: list[int], seed: int) -> Any:
    from sklearn import ensemble

    assert task.definition.trees is not None  # checked before
    name, own = task.definition.trees
    arguments: dict[str, Any] = {"max_iter": 300 if len(task.classes) <= 2 else 100, **own, **options}
    return getattr(ensemble, name)(
        categorical_features=categorical or None, random_state=seed, early_stopping=False, **arguments
    )


def _best_round(task: Task, model: Any, inputs: torch.Tensor, targets: torch.Tensor) -> tuple[int, float]:
    """The number of rounds that is best on validation, and the metric there; all, and NaN, without a label there."""
    best, found = model.n_iter_, float("nan")
    if not len(targets):
        return best, found
    sign = task.metric_definition.sign
    for rounds, predictions in enumerate(staged(task, model, inputs.numpy()), 1):
        if rounds % EVERY and rounds != model.n_iter_:
            continue
        value = _value(task, predictions, targets)
        if not np.isfinite(found) or sign * value > sign * found:
            best, found = rounds, value
    return best, found


def _after(task: Task, model: Any, inputs: torch.Tensor, targets: torch.Tensor, rounds: int) -> float:
    """The metric after this many rounds; NaN without a label."""
    if not len(targets):
        return float("nan")
    return _value(task, next(islice(staged(task, model, inputs.numpy()), rounds - 1, None)), targets)


def _value(task: Task, predictions: torch.Tensor, targets: torch.Tensor) -> float:
    metric = task.metric_definition
    targets, unit = task.measured_targets(targets, metric)
    return metric(task.in_units(predictions) if task.parameters else predictions, targets) * unit
