"""What the features are worth to the targets, and how predictions depend on them: on the networks' inputs.

Source: J. H. Friedman, "Greedy Function Approximation", Annals of Statistics 2001 (partial dependence). For
permutation importance see :mod:`polytask.runs.importance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data import Rows, Schema
from ...task import Task
from ...task.plots import Curve, Graph, Matrix
from ...uncertainty import Estimate
from ..averaged import Outputs
from ..importance import falls_of_skill
from ..keep import skill_estimate
from .groups import correlated_groups

#: Rows that are predicted for every shuffle.
ROWS = 500
REPEATS = 2
#: Multiplications, about, that all shuffles of a run may take: a few seconds.
MOST_WORK = 2e10
#: Features that are shown, and of those that a target's predictions are drawn against.
MOST_FEATURES, MOST_DEPENDENCES = 24, 3
#: Values of a feature at which predictions are averaged.
GRID = 16
#: Rank correlation from which columns of numbers are shuffled together.
CORRELATED = 0.9


@dataclass(frozen=True)
class Feature:
    """Where columns of a table are in the networks' inputs.

    Attributes:
        names: The columns; several are shuffled together.
        numeric: Columns of the input ``numeric``.
        categorical: Columns of the input ``categorical``.
    """

    names: tuple[str, ...]
    numeric: tuple[int, ...] = ()
    categorical: tuple[int, ...] = ()


def features_of(schema: Schema) -> list[Feature]:
    """Every column of numbers, dates and categories; texts and images are left out."""
    numbers, found = schema.numbers, []
    indicators = [place for place, column in enumerate(numbers) if column.indicator]

    def places(first: int, count: int) -> tuple[int, ...]:
        own = range(first, first + count)
        return (*own, *(len(numbers) + indicators.index(place) for place in own if place in indicators))

    found = [Feature((column.name,), places(at, 1)) for at, column in enumerate(schema.numeric)]
    at = len(schema.numeric)
    for column in schema.temporal:
        found.append(Feature((column.name,), places(at, len(column.parts))))
        at += len(column.parts)
    return found + [Feature((column.name,), (), (at,)) for at, column in enumerate(schema.categorical)]


def feature_plots(
    schema: Schema, outputs: Outputs, tasks: Sequence[Task], served: Mapping[str, Sequence[str]], seed: int
) -> tuple[list[Matrix], dict[str, list[Graph]]]:
    """Importance of features for targets, and by target how its prediction depends on those that matter most.

    Nothing where the inputs are no columns of a table, or all shuffles would take more than seconds:
    :meth:`polytask.TablePredictor.explain` then gives importances on request.
    """
    rows = outputs.rows
    features = features_of(schema)
    leaves = rows.inputs
    if not isinstance(leaves, Mapping) or len(rows) < 2 or not features or not tasks:
        return [], {}
    work = sum(parameter.numel() for model in outputs.models.values() for parameter in model.parameters())
    rng = np.random.default_rng(seed)
    rows = rows.subset(torch.from_numpy(np.sort(rng.permutation(len(rows))[:ROWS])))
    if rows.stored is not None:  # few enough to be held
        rows = replace(rows, inputs=rows[torch.arange(len(rows))].inputs)
    if work * len(rows) * len(features) * REPEATS > MOST_WORK:
        return [], {}
    features = _grouped(features, schema, rows)
    values, errors = _importance(features, outputs, rows, tasks, served, rng)
    sure = np.where(values > 2 * errors, values, 0.0)
    drawn = np.argsort(-sure.max(1), kind="stable")[:MOST_FEATURES]
    matrix = Matrix(
        "importance", "Importance of the features", tuple(", ".join(features[k].names) for k in drawn),
        tuple(task.name for task in tasks), tuple(tuple(values[k].tolist()) for k in drawn), "target", "feature",
        tuple(tuple(sure[k].clip(0, 1).tolist()) for k in drawn),
        f"How much of the skill (0: a constant, 1: perfect) is lost if the column is shuffled among {len(rows):,} "
        "test rows; correlated columns are shuffled as one; not shaded if within chance.",
    )  # fmt: skip
    return [matrix], dict(_dependences(schema, features, sure, outputs, rows, tasks, served))


def _importance(
    features: Sequence[Feature],
    outputs: Outputs,
    rows: Rows,
    tasks: Sequence[Task],
    served: Mapping[str, Sequence[str]],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """``[F, T]`` fall of skill when a feature is shuffled, and its standard error; 0 where undefined."""

    def skills(inputs: Any) -> dict[str, Estimate]:
        changed = outputs.with_rows(replace(rows, inputs=inputs))
        return {task.name: skill_estimate(task, *changed.counted(task.name, served[task.name])) for task in tasks}

    def shuffled(feature: int, order: np.ndarray) -> dict[str, Estimate]:
        return skills(_with(rows.inputs, features[feature], torch.from_numpy(order)))

    values, errors = falls_of_skill(skills(rows.inputs), shuffled, len(features), len(rows), REPEATS, rng)
    return np.nan_to_num(values), np.nan_to_num(errors)


def _with(inputs: Any, feature: Feature, rows: Tensor) -> dict[str, Any]:
    """The inputs with a feature's values taken from other rows ``[n]``, or of one row."""
    found = dict(inputs)
    for leaf, columns in (("numeric", feature.numeric), ("categorical", feature.categorical)):
        if columns:
            found[leaf] = inputs[leaf].clone()
            found[leaf][:, list(columns)] = inputs[leaf][rows][..., list(columns)]
    return found


def _grouped(features: Sequence[Feature], schema: Schema, rows: Rows) -> list[Feature]:
    """The features, columns of numbers that are correlated as one."""
    count = len(schema.numeric)
    if count < 2:
        return list(features)
    values = rows.inputs["numeric"][:, :count].T.double().cpu().numpy()
    found = []
    for group in correlated_groups(values, CORRELATED):
        own = [features[place] for place in group]
        places = tuple(place for one in own for place in one.numeric)
        found.append(Feature(tuple(name for one in own for name in one.names), places))
    return found + list(features[count:])


def _dependences(
    schema: Schema,
    features: Sequence[Feature],
    sure: np.ndarray,
    outputs: Outputs,
    rows: Rows,
    tasks: Sequence[Task],
    served: Mapping[str, Sequence[str]],
) -> Iterator[tuple[str, list[Graph]]]:
    """By target the charts of the columns of numbers that matter most to it."""
    columns = {column.name: place for place, column in enumerate(schema.numeric)}
    known: dict[int, tuple[list[float], list[Outputs]]] = {}
    for t, task in enumerate(tasks):
        order = [
            k for k in np.argsort(-sure[:, t], kind="stable") if sure[k, t] > 0 and features[k].names[0] in columns
        ]
        charts: list[Graph] = []
        for k in order[:MOST_DEPENDENCES]:
            column = columns[features[k].names[0]]
            if k not in known:
                known[k] = _on_grid(schema, features[k], column, outputs, rows)
            at, changed = known[k]
            charts += _dependence(task, ", ".join(features[k].names), at, changed, served[task.name])
        if charts:
            yield task.name, charts


def _on_grid(
    schema: Schema, feature: Feature, column: int, outputs: Outputs, rows: Rows
) -> tuple[list[float], list[Outputs]]:
    """Values of a feature between its 5 % and 95 % quantiles, and outputs with each of them in all rows."""
    numeric, definition = rows.inputs["numeric"], schema.numeric[column]
    own, *missing = features_of(schema)[column].numeric
    values = numeric[:, own]
    order = values.argsort()
    order = order[(numeric[order][:, missing] == 0).all(1)]
    low, high = int(0.05 * (len(order) - 1)), int(0.95 * (len(order) - 1))
    chosen = order[torch.linspace(low, high, GRID).round().long()]
    at = {round(float(values[row]) * definition.scale + definition.center, 12): row for row in chosen.tolist()}
    changed = [
        outputs.with_rows(replace(rows, inputs=_with(rows.inputs, feature, torch.tensor([row])))) for row in at.values()
    ]
    return list(at), changed


def _dependence(
    task: Task, name: str, at: Sequence[float], changed: Sequence[Outputs], networks: Sequence[str]
) -> Iterator[Graph]:
    """Mean prediction by the value of a feature; nothing for kinds whose predictions are no numbers."""
    means = []
    for outputs in changed:
        predictions = task.definition.predict(outputs.all_rows(task.name, networks))
        expected = task.definition.expected(predictions)
        if expected is None:
            return
        means.append(float((task.in_units(expected) if task.definition.numeric else expected).double().mean()))
    kind = task.definition
    what = f"probability of {task.classes[1]}" if kind.thresholded else "mean class, the first is 0"
    what = f"mean {task.name}" if kind.numeric else what
    line = Curve("ours", tuple(zip(at, means, strict=True)))
    yield Graph(f"dependence_{name}", f"Depending on {name}", name, what, (line,),
                note="Mean prediction over test rows if the column had this value in all of them.")  # fmt: skip
