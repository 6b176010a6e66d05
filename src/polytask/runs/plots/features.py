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
from ...task.plots.chart import points_of
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


@dataclass(frozen=True)
class Part:
    """Networks and rows that these have not seen: all test rows, or those of one fold.

    Attributes:
        schema: How the rows were encoded.
        outputs: What the networks predict for them.
        served: By task the names of the networks that serve it.
    """

    schema: Schema
    outputs: Outputs
    served: Mapping[str, Sequence[str]]

    @property
    def rows(self) -> Rows:
        """The rows."""
        return self.outputs.rows

    def falls(
        self, features: Sequence[Feature], tasks: Sequence[str], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """``[F, T]`` fall of skill when a feature is shuffled, and its standard error; NaN where undefined."""

        def shuffled(feature: int, order: np.ndarray) -> dict[str, Estimate]:
            return self._skills(tasks, _with(self.rows.inputs, features[feature], torch.from_numpy(order)))

        before = self._skills(tasks, self.rows.inputs)
        return falls_of_skill(before, shuffled, len(features), len(self.rows), REPEATS, rng)

    def _skills(self, tasks: Sequence[str], inputs: Any) -> dict[str, Estimate]:
        """Skill of every task if the rows had other inputs."""
        changed = self.outputs.with_rows(replace(self.rows, inputs=inputs))
        return {name: skill_estimate(changed.tasks[name], *changed.counted(name, self.served[name])) for name in tasks}


def feature_plots(
    parts: Sequence[Part], tasks: Sequence[Task], seed: int
) -> tuple[list[Matrix], dict[str, list[Graph]]]:
    """Importance of features for targets, and by target how its prediction depends on those that matter most.

    Nothing where the inputs are no columns of a table, or all shuffles would take more than seconds:
    :meth:`polytask.TablePredictor.explain` then gives importances on request.

    Args:
        parts: What is averaged: one, or the folds of a cross-validation.
        tasks: The targets.
        seed: Draws rows and shuffles.
    """
    rng = np.random.default_rng(seed)
    parts = [_some(part, ROWS // len(parts), rng) for part in parts if len(part.rows) > 1]
    if not parts or not tasks or not all(isinstance(part.rows.inputs, Mapping) for part in parts):
        return [], {}
    shared = set.intersection(*({one.names for one in features_of(part.schema)} for part in parts))
    names = [one.names for one in features_of(parts[0].schema) if one.names in shared]
    if not names or sum(map(_work, parts)) * len(names) * REPEATS > MOST_WORK:
        return [], {}
    groups = _grouped(parts, names)
    features = [[_joined(part.schema, group) for group in groups] for part in parts]
    values, errors = _importance(parts, features, [task.name for task in tasks], rng)
    sure = np.where(values > 2 * errors, values, 0.0)
    drawn = np.argsort(-sure.max(1), kind="stable")[:MOST_FEATURES]
    matrix = Matrix(
        "importance", "Importance of the features", tuple(", ".join(groups[k]) for k in drawn),
        tuple(task.name for task in tasks), tuple(tuple(values[k].tolist()) for k in drawn), "target", "feature",
        tuple(tuple(sure[k].clip(0, 1).tolist()) for k in drawn),
        "How much of the skill (0: a constant, 1: perfect) is lost if the column is shuffled among "
        f"{sum(len(part.rows) for part in parts):,} test rows; correlated columns are shuffled as one; not shaded if "
        "within chance.",
    )  # fmt: skip
    return [matrix], dict(_dependences(parts, features, sure, tasks))


def _some(part: Part, most: int, rng: np.random.Generator) -> Part:
    """The same with at most so many rows, in memory."""
    rows = part.rows.subset(torch.from_numpy(np.sort(rng.permutation(len(part.rows))[:most])))
    if rows.stored is not None:
        rows = replace(rows, inputs=rows[torch.arange(len(rows))].inputs)
    return replace(part, outputs=part.outputs.with_rows(rows))


def _work(part: Part) -> int:
    """Multiplications of one prediction of the rows, about."""
    models = part.outputs.models.values()
    return len(part.rows) * sum(parameter.numel() for model in models for parameter in model.parameters())


def _importance(
    parts: Sequence[Part], features: Sequence[Sequence[Feature]], tasks: Sequence[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of :meth:`Part.falls` and its standard error; 0 where undefined."""
    found = [part.falls(own, tasks, rng) for part, own in zip(parts, features, strict=True)]
    values, errors = (np.stack(each) for each in zip(*found, strict=True))
    known = np.isfinite(values)
    counts = np.maximum(known.sum(0), 1)
    squares = np.where(known, errors, 0.0) ** 2
    return np.where(known, values, 0.0).sum(0) / counts, np.sqrt(squares.sum(0)) / counts


def _with(inputs: Any, feature: Feature, rows: Tensor) -> dict[str, Any]:
    """The inputs with a feature's values taken from other rows ``[n]``, or of one row."""
    found = dict(inputs)
    for leaf, columns in (("numeric", feature.numeric), ("categorical", feature.categorical)):
        if columns:
            found[leaf] = inputs[leaf].clone()
            found[leaf][:, list(columns)] = inputs[leaf][rows][..., list(columns)]
    return found


def _grouped(parts: Sequence[Part], names: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Columns that are shuffled together: columns of numbers that are correlated, others alone."""
    numbers = _numbers(parts)
    chosen = [name for (name,) in names if name in numbers]
    others = [own for own in names if own[0] not in numbers]
    if not chosen:
        return others
    values = [
        part.rows.inputs["numeric"][:, [_joined(part.schema, (name,)).numeric[0] for name in chosen]] for part in parts
    ]
    groups = correlated_groups(torch.cat(values).T.double().cpu().numpy(), CORRELATED)
    return [tuple(chosen[place] for place in group) for group in groups] + others


def _numbers(parts: Sequence[Part]) -> set[str]:
    """Columns that are numbers in every part."""
    return set.intersection(*({column.name for column in part.schema.numeric} for part in parts))


def _joined(schema: Schema, names: Sequence[str]) -> Feature:
    """Several columns as one feature."""
    own = [one for one in features_of(schema) if one.names[0] in names]
    numeric = tuple(place for one in own for place in one.numeric)
    return Feature(tuple(names), numeric, tuple(place for one in own for place in one.categorical))


def _dependences(
    parts: Sequence[Part], features: Sequence[Sequence[Feature]], sure: np.ndarray, tasks: Sequence[Task]
) -> Iterator[tuple[str, list[Graph]]]:
    """By target the charts of the columns of numbers that matter most to it."""
    numbers = _numbers(parts)
    names = [feature.names for feature in features[0]]
    known: dict[int, list[tuple[np.ndarray, list[Outputs]]]] = {}
    for t, task in enumerate(tasks):
        order = [k for k in np.argsort(-sure[:, t], kind="stable") if sure[k, t] > 0 and names[k][0] in numbers]
        charts: list[Graph] = []
        for k in order[:MOST_DEPENDENCES]:
            if k not in known:
                known[k] = [_on_grid(part, own[k]) for part, own in zip(parts, features, strict=True)]
            charts += _dependence(task, ", ".join(names[k]), parts, known[k])
        if charts:
            yield task.name, charts


def _on_grid(part: Part, feature: Feature) -> tuple[np.ndarray, list[Outputs]]:
    """Values of a feature between its 5 % and 95 % quantiles, and outputs with each of them in all rows."""
    columns = [column.name for column in part.schema.numeric]
    definition = part.schema.numeric[columns.index(feature.names[0])]
    own, *missing = _joined(part.schema, feature.names[:1]).numeric
    numeric = part.rows.inputs["numeric"]
    order = numeric[:, own].argsort()
    order = order[(numeric[order][:, missing] == 0).all(1)]
    low, high = int(0.05 * (len(order) - 1)), int(0.95 * (len(order) - 1))
    chosen = order[torch.linspace(low, high, GRID).round().long()] if len(order) else order
    at = {round(float(numeric[row, own]) * definition.scale + definition.center, 12): row for row in chosen.tolist()}
    changed = [
        part.outputs.with_rows(replace(part.rows, inputs=_with(part.rows.inputs, feature, torch.tensor([row]))))
        for row in at.values()
    ]
    return np.array(list(at)), changed


def _dependence(
    task: Task, name: str, parts: Sequence[Part], grids: Sequence[tuple[np.ndarray, list[Outputs]]]
) -> Iterator[Graph]:
    """Mean prediction by the value of a feature; nothing for kinds whose predictions are no numbers."""
    kind, curves = task.definition, []
    for part, (at, changed) in zip(parts, grids, strict=True):
        own, means = part.outputs.tasks[task.name], []
        for outputs in changed:
            expected = kind.expected(own.definition.predict(outputs.all_rows(task.name, part.served[task.name])))
            if expected is None:
                return
            means.append(float((own.in_units(expected) if kind.numeric else expected).double().mean()))
        if means:
            curves.append((at, np.array(means)))
    if not curves:
        return
    what = f"probability of {task.classes[1]}" if kind.thresholded else "mean class, the first is 0"
    what = f"mean {task.name}" if kind.numeric else what
    note = "Mean prediction over test rows if the column had this value in all of them."
    if len(curves) > 1:
        note += " Bars are from the lowest to the highest of the folds."
    yield Graph(f"dependence_{name}", f"Depending on {name}", name, what, (_mean_curve(curves),), note=note)


def _mean_curve(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> Curve:
    """The mean of several curves with their range, where all of them are known."""
    if len(curves) == 1:
        return Curve("ours", points_of(*map(torch.from_numpy, curves[0])))
    low, high = max(at[0] for at, _ in curves), min(at[-1] for at, _ in curves)
    shared = np.linspace(low, max(low, high), GRID)
    each = np.stack([np.interp(shared, at, means) for at, means in curves])
    spans = tuple(zip(each.min(0).tolist(), each.max(0).tolist(), strict=True))
    return Curve("ours", points_of(*map(torch.from_numpy, (shared, each.mean(0)))), spans)
