"""What kind of task a target column is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import UserError, did_you_mean, raise_all
from ..task import Task
from .columns import Coded, coded, is_numeric, is_text, label_of, parse
from .label_sets import infer_labels
from .problems import collected
from .tags import infer_tags
from .targets import IGNORE, target_numbers

#: Whole numbers 0..k or 1..k with at most this many distinct values are taken for classes.
MOST_INTEGER_CLASSES = 20
KINDS_OF_TABLES = ("binary", "multiclass", "regression", "multilabel", "tags")
_NEGATIVE = {"0", "false", "no", "n", "f", "negative", "neg", "off", "absent", "inactive", "none"}


@dataclass(frozen=True)
class InferredTask:
    """A task and, for the user to read, why it was taken for this kind."""

    task: Task
    reason: str


@dataclass(frozen=True)
class Labels:
    """The distinct labels of a column, sorted, without the missing ones.

    Attributes:
        names: As class labels.
        values: As numbers, None for words.
        counts: Rows of each.
    """

    names: tuple[str, ...]
    values: np.ndarray | None
    counts: np.ndarray

    def select(self, keep: np.ndarray) -> Labels:
        names = tuple(name for name, kept in zip(self.names, keep, strict=True) if kept)
        return Labels(names, None if self.values is None else self.values[keep], self.counts[keep])


def infer_tasks(
    table: pa.Table,
    *,
    where: str,
    targets: Sequence[str],
    kinds: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
) -> tuple[Task, ...]:
    """The tasks of :func:`infer_targets`, without the reasons."""
    found = infer_targets(table, where=where, targets=targets, kinds=kinds, metrics=metrics, weights=weights)
    return tuple(inferred.task for inferred in found)


def infer_targets(
    table: pa.Table,
    *,
    where: str,
    targets: Sequence[str],
    kinds: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
) -> tuple[InferredTask, ...]:
    """One task per target column; ``kinds`` overrules the rules, which are, in this order:

    1. two distinct values: binary (0, false, no, ... is the negative one, else the first in sorted order);
    2. words: multiclass;
    3. at most 20 distinct whole numbers that are exactly 0..k or 1..k: multiclass;
    4. other numbers: regression.

    Only on request: multilabel, cells that are sets of labels (``a;b``; ``;`` is the empty set), and tags, one for each
    word of a text (``O B-city``).

    Empty cells are not labels, nor is the ignore index -100 in a column of classes.

    Args:
        table: All rows, also those of validation and test: a kind has to be known before stratified splitting.
        where: Name of the table in messages.
        targets: Names of target columns.
        kinds: ``{target: kind}`` where the user says otherwise.
        metrics: ``{target: metric}``.
        weights: ``{target: weight}``.

    Raises:
        UserError: All problems of all target columns at once.

    Example:
        >>> table = pa.table({"click": [0, 1, None, 1, 0], "price": [1.5, 2.0, 8.0, 3.5, 9.0]})
        >>> for found in infer_targets(table, where="shop.csv", targets=["click", "price"]):
        ...     print(found.task.name, found.task.kind, "-", found.reason)
        click binary - two values: 0 (negative), 1 (positive)
        price regression - 5 distinct numbers from 1.5 to 9
    """
    options = {"kind": kinds or {}, "metric": metrics or {}, "weight": weights or {}}
    problems = _check_names(table, where, targets, options)
    found: list[InferredTask] = []
    for name in dict.fromkeys(target for target in targets if target in table.column_names):
        stated = {option: given[name] for option, given in options.items() if name in given}
        with collected(problems):
            found.append(_infer(table[name], name, f"{where}: target {name!r}", stated))
    raise_all(problems)
    return tuple(found)


def _check_names(
    table: pa.Table, where: str, targets: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    problems = [] if targets else [f"{where}: no target columns given; name at least one"]
    for name, count in Counter(targets).items():
        if name not in table.column_names:
            problems.append(f"{where}: there is no column {name!r}; {did_you_mean(name, table.column_names)}")
        if count > 1:
            problems.append(f"{where}: target {name!r} is listed {count} times; list it once")
    for option, given in options.items():
        strange = [name for name in given if name not in targets]
        problems += [f"{option} of {name!r}: not one of the targets; {did_you_mean(name, targets)}" for name in strange]
    return problems


def _infer(column: pa.ChunkedArray, name: str, at: str, stated: Mapping[str, Any]) -> InferredTask:
    kind = str(stated.get("kind", ""))
    metric, weight = str(stated.get("metric", "")), float(stated.get("weight", 1.0))
    if kind in ("multilabel", "tags"):
        names, reason = (infer_labels if kind == "multilabel" else infer_tags)(column, at)
        task = Task(name, kind=kind, classes=names, metric=metric, weight=weight)
        return InferredTask(task, f"{reason}, kind as stated")
    if kind and kind not in KINDS_OF_TABLES:
        raise UserError(f"{at}: kind {kind!r} cannot be read from a table; {did_you_mean(kind, KINDS_OF_TABLES)}")
    labels = _labels(column, at, kind)
    if kind != "regression" and labels.values is not None:
        without = labels.select(labels.values != float(IGNORE))
        if kind or _rule(without) != "regression":
            labels = without
    _check_labels(labels, at)
    chosen = kind or _rule(labels)
    if chosen != "regression":
        labels = _negative_first(labels)
        _check_classes(labels, chosen, at)
    classes = () if chosen == "regression" else labels.names
    task = Task(name, kind=chosen, classes=classes, metric=metric, weight=weight)
    return InferredTask(task, _reason(labels, chosen) + (", kind as stated" if kind else ""))


def _labels(column: pa.ChunkedArray, at: str, kind: str) -> Labels:
    if is_text(column.type) and kind != "regression":
        return _word_labels(coded(column), at, kind)
    if pa.types.is_boolean(column.type):
        words = coded(column)
        return Labels(tuple(words.words.to_pylist()), None, words.counts())
    if not is_text(column.type) and (not is_numeric(column.type) or pa.types.is_temporal(column.type)):
        raise UserError(f"{at}: cells of type {column.type} cannot be a target; convert them to numbers or words")
    values = target_numbers(column, at)
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    names = tuple(map(label_of, distinct.tolist())) if len(distinct) <= 10_000 else tuple(map(repr, distinct.tolist()))
    return Labels(names, distinct, counts)


def _word_labels(words: Coded, at: str, kind: str) -> Labels:
    values, strange = parse(words)
    numeric = ~np.isnan(values)
    if not kind and numeric.any() and strange.any():
        raise UserError(
            f"{at}: mixes numbers, such as {words.example(numeric)}, and words, such as {words.example(strange)}; "
            "mend or empty such cells, or state the kind multiclass (binary) if they are names of classes"
        )
    names = words.words.to_pylist()
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    return Labels(tuple(names[i] for i in order), None, words.counts()[order])


def _rule(labels: Labels) -> str:
    if len(labels.names) == 2:
        return "binary"
    return "multiclass" if labels.values is None or _consecutive(labels.values) else "regression"


def _consecutive(values: np.ndarray) -> bool:
    """Whether sorted distinct ``values`` are exactly 0..k or 1..k, few enough to be classes."""
    if not 0 < len(values) <= MOST_INTEGER_CLASSES:
        return False
    return values[0] in (0, 1) and bool((values == np.arange(len(values)) + values[0]).all())


def _negative_first(labels: Labels) -> Labels:
    if len(labels.names) == 2 and labels.names[1].lower() in _NEGATIVE and labels.names[0].lower() not in _NEGATIVE:
        values = None if labels.values is None else labels.values[::-1]
        return Labels(labels.names[::-1], values, labels.counts[::-1])
    if labels.names == ("true", "false"):
        return Labels(labels.names[::-1], labels.values, labels.counts[::-1])
    return labels


def _check_labels(labels: Labels, at: str) -> None:
    if not labels.names:
        raise UserError(f"{at}: no row has a label (all cells are empty); leave this target out or fill the column")
    if len(labels.names) == 1:
        raise UserError(f"{at}: every label is {labels.names[0]!r}: nothing to learn; leave this target out")


def _check_classes(labels: Labels, kind: str, at: str) -> None:
    if kind == "binary" and len(labels.names) != 2:
        shown = ", ".join(labels.names[:5]) + (", ..." if len(labels.names) > 5 else "")
        raise UserError(
            f"{at}: stated kind is binary, but it has {len(labels.names)} distinct values ({shown}); "
            "expected 2. State multiclass or regression, or mend the cells"
        )
    single = [name for name, count in zip(labels.names, labels.counts, strict=True) if count < 2]
    if single:
        shown = ", ".join(map(repr, single[:5])) + (f" and {len(single) - 5} more" if len(single) > 5 else "")
        other = ", or state the kind regression" if labels.values is not None else ""
        raise UserError(
            f"{at}: classes with a single row: {shown}; merge them with others, drop them, "
            f"or empty their cells (no label){other}"
        )


def _reason(labels: Labels, kind: str) -> str:
    if kind == "regression":
        assert labels.values is not None
        return f"{len(labels.names)} distinct numbers from {labels.values[0]:g} to {labels.values[-1]:g}"
    if len(labels.names) == 2:
        return f"two values: {labels.names[0]} (negative), {labels.names[1]} (positive)"
    what = "words" if labels.values is None else f"whole numbers {labels.names[0]} to {labels.names[-1]}"
    return f"{len(labels.names)} distinct {what}"
