"""What kind of task a target column is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError, did_you_mean, raise_all
from ..task import KINDS, TABLE_KINDS, Kind, Task
from ..task.kind import WordsKind
from ..task.labels import Labels, check_single_rows
from .cells import infer_words
from .columns import Coded, coded, is_numeric, is_text, label_of
from .dates import read_dates
from .number_words import leading_zeros, read_numbers
from .problems import collected
from .roles import check_targets
from .targets import IGNORE, target_numbers

#: A class of fewer rows is rare: it cannot be in training and in validation.
FEWEST_ROWS = 2
#: What becomes of rare classes: rows without label, one class for all of them, or a message.
RARE = ("drop", "merge", "error")
_OTHER = "other"
_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class InferredTask:
    """A task and, for the user to read, why it was taken for this kind.

    Attributes:
        task: The task.
        reason: Why.
        renamed: Labels that are read as another one, or (empty) as no label: rare classes.
    """

    task: Task
    reason: str
    renamed: Mapping[str, str] = field(default_factory=dict)


def infer_targets(
    table: pa.Table,
    *,
    where: str,
    targets: Sequence[str],
    kinds: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
    rare: str = "error",
) -> tuple[InferredTask, ...]:
    """One task per target column; ``kinds`` overrules the rules, which are, in this order:

    1. two distinct values: binary (0, false, no, ... is the negative one, else the first in sorted order);
    2. words: multiclass;
    3. at most 20 distinct whole numbers that are exactly 0..k or 1..k: multiclass;
    4. other numbers: regression.

    Every kind states which columns it claims (:meth:`polytask.task.Kind.claims`); the others only on request, such as
    multilabel, cells that are sets of labels (``a;b``; ``;`` is the empty set), and tags, one for each word of
    a text (``O B-city``).

    Empty cells are not labels, nor is the ignore index -100 in a column of classes.

    Args:
        table: All rows, also those of validation and test: a kind has to be known before stratified splitting.
        where: Name of the table in messages.
        targets: Names of target columns.
        kinds: ``{target: kind}`` where the user overrides it.
        metrics: ``{target: metric}``.
        weights: ``{target: weight}``.
        rare: What becomes of classes with a single row, see ``RARE``.

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
    problems = check_targets(table.column_names, where, targets, options)
    found: list[InferredTask] = []
    known = set(table.column_names)
    for name in dict.fromkeys(target for target in targets if target in known):
        stated = {option: given[name] for option, given in options.items() if name in given}
        with collected(problems):
            found.append(_infer(table[name], name, f"{where}: target {name!r}", {**stated, "rare": rare}))
    raise_all(problems)
    return tuple(found)


def _infer(column: pa.ChunkedArray, name: str, at: str, stated: Mapping[str, Any]) -> InferredTask:
    kind = str(stated.get("kind", ""))
    if kind and kind not in TABLE_KINDS:
        raise UserError(f"{at}: kind {kind!r} cannot be read from a table; {did_you_mean(kind, TABLE_KINDS)}")
    options: dict[str, Any] = {"metric": str(stated.get("metric", "")), "weight": float(stated.get("weight", 1.0))}
    asked = KINDS[kind] if kind else None
    if isinstance(asked, WordsKind):
        names, reason = infer_words(column, asked, at)
        return InferredTask(Task(name, kind=kind, classes=names, **options), f"{reason}, kind as stated")
    labels = _labels(column, at, asked)
    if labels.values is not None and not (asked and asked.numeric):
        without = labels.select(labels.values != float(IGNORE))
        labels = without if asked or not _claimed(without).numeric else labels
    _check_labels(labels, at)
    chosen = asked or _claimed(labels)
    labels, renamed = _without_rare(labels, str(stated["rare"]), chosen)
    if renamed:
        _check_left(labels, renamed, at)
        again = _claimed(labels)
        chosen = asked or (again if again.one_class else chosen)
    if stated["rare"] == "error" and chosen.one_class:
        check_single_rows(labels, at)
    labels = chosen.arrange(labels, at)
    task = Task(name, kind=chosen.name, classes=() if chosen.numeric else labels.names, **options)
    return InferredTask(task, chosen.reason(labels) + (", kind as stated" if kind else ""), renamed)


def _claimed(labels: Labels) -> Kind:
    """The kind of a column whose kind is not stated."""
    return next(kind for kind in KINDS.values() if kind.claims(labels))


def _without_rare(labels: Labels, rare: str, kind: Kind) -> tuple[Labels, dict[str, str]]:
    """The labels without classes of too few rows, or with one class for these; and what becomes of each.

    A merged class that would be rare itself is dropped, and so are the rare classes of a kind that cannot merge them.
    """
    few = labels.counts < FEWEST_ROWS
    if rare == "error" or not kind.rare or not few.any():
        return labels, {}
    names = [name for name, seldom in zip(labels.names, few.tolist(), strict=True) if seldom]
    kept, together = labels.select(~few), int(labels.counts[few].sum())
    if rare not in kind.rare or rare == "drop" or together < FEWEST_ROWS:
        return kept, dict.fromkeys(names, "")
    merged = next(name for name in (_OTHER, *(f"{_OTHER}_{n}" for n in range(2, 99))) if name not in kept.names)
    found = Labels((*kept.names, merged), None, np.append(kept.counts, together))
    return found, dict.fromkeys(names, merged)


def relabelled(column: pa.ChunkedArray, renamed: Mapping[str, str]) -> pa.ChunkedArray:
    """A column of classes with labels replaced, empty names by no label.

    Example:
        >>> relabelled(pa.chunked_array([["a", "b", "c"]]), {"b": "", "c": "other"}).to_pylist()
        ['a', None, 'other']
    """
    if not renamed:
        return column
    words = coded(column)
    names = [renamed.get(word, word) or None for word in words.words.to_pylist()]
    return pa.chunked_array([pa.array([*names, None], pa.string()).take(pa.array(words.index % (len(names) + 1)))])


def describe_renamed(name: str, renamed: Mapping[str, str]) -> list[str]:
    """What became of the rare classes of a target, for the user to read."""
    if not renamed:
        return []
    labels = list(renamed)
    shown = ", ".join(map(repr, labels[:5])) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
    to = next(iter(renamed.values()))
    what = f"merged as {to!r}" if to else "counted as no label"
    many = "classes" if len(labels) > 1 else "class"
    return [f"target {name!r}: {len(labels)} {many} with a single row {what} (--rare changes that): {shown}"]


def describe_alike(task: Task) -> list[str]:
    """A note if some classes differ in case alone, for the user to read.

    Example:
        >>> describe_alike(Task("y", "multiclass", classes=("No", "Yes", "yes")))
        ["target 'y': classes that differ only in case: 'Yes', 'yes'; spell them alike if they are the same class"]
    """
    counts = Counter(name.casefold() for name in task.classes)
    alike = [name for name in task.classes if counts[name.casefold()] > 1]
    if not alike:
        return []
    shown = ", ".join(map(repr, sorted(alike, key=str.casefold)[:6])) + ", ..." * (len(alike) > 6)
    return [
        f"target {task.name!r}: classes that differ only in case: {shown}; spell them alike if they are the same class"
    ]


def _labels(column: pa.ChunkedArray, at: str, asked: Kind | None) -> Labels:
    if is_text(column.type) and not (asked and asked.numeric):
        return _word_labels(coded(column), at, stated=asked is not None)
    if pa.types.is_boolean(column.type):
        words = coded(column)
        return Labels(tuple(words.words.to_pylist()), None, words.counts())
    if not is_text(column.type) and (not is_numeric(column.type) or pa.types.is_temporal(column.type)):
        sets = " or, if they are sets of labels, state the kind multilabel" if pa.types.is_list(column.type) else ""
        raise UserError(f"{at}: cells of type {column.type} cannot be a target; convert them to numbers or words{sets}")
    values = target_numbers(column, at)
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    names = tuple(map(label_of, distinct.tolist())) if len(distinct) <= 10_000 else tuple(map(repr, distinct.tolist()))
    return Labels(names, distinct, counts)


def _word_labels(words: Coded, at: str, stated: bool) -> Labels:
    if not stated:
        _check_unmixed(words, at)
    names = words.words.to_pylist()
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    return Labels(tuple(names[i] for i in order), None, words.counts()[order])


def _check_unmixed(words: Coded, at: str) -> None:
    """Numbers beside words are a slip, and dates are nothing to predict."""
    found, dates = read_numbers(words.words), read_dates(words.words)
    numeric, plain = ~np.isnan(found.values), pc.match_substring_regex(words.words, _PLAIN)
    if (
        found.strange.any()
        and not leading_zeros(words.words)
        and (pc.any(plain).as_py() or numeric.sum() > found.strange.sum())
    ):
        raise UserError(
            f"{at}: mixes numbers, such as {words.example(numeric)}, and words, such as "
            f"{words.example(found.strange)}; correct or empty such cells, count the word as no label (--missing "
            f"{words.as_marks(found.strange)}), or state the kind multiclass (binary) if they are names of classes"
        )
    if (~np.isnan(dates.seconds)).sum() > dates.strange.sum():
        raise UserError(f"{at}: dates, such as {words.example(~np.isnan(dates.seconds))}, cannot be a target; give "
                        "numbers, such as the days until then, or state the kind multiclass if they name classes"
                        )  # fmt: skip


def _check_left(labels: Labels, renamed: Mapping[str, str], at: str) -> None:
    """At least two classes are left after rare ones are dropped or merged."""
    if len(labels.names) < 2:
        rare = list(renamed)
        raise UserError(f"{at}: {len(rare):,} of its classes have a single row, such as {rare[0]!r}, and "
                        f"{len(labels.names) or 'none'} is left without them: nothing to learn; leave this target out"
                        )  # fmt: skip


def _check_labels(labels: Labels, at: str) -> None:
    if not labels.names:
        raise UserError(f"{at}: no row has a label (all cells are empty); leave this target out or fill the column")
    if len(labels.names) == 1:
        raise UserError(f"{at}: every label is {labels.names[0]!r}: nothing to learn; leave this target out, or write "
                        "the other class in the cells without one (empty ones, NA, None)")  # fmt: skip
