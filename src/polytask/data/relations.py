"""Targets that are functions of other columns: copies, sums and linear combinations. Reported, not removed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ..display.text import listed
from .schema import Schema

#: Share of a target's variance that other columns explain where it is called a function of them.
EXPLAINED = 1 - 1e-6
#: Rows and columns that are looked at; what is exact shows in a sample.
MOST_ROWS, MOST_COLUMNS = 2_000, 300
#: With more features only targets are compared: to read all of a wide table again takes seconds.
MOST_FEATURES = 2_000
#: A column is compared with others on the rows that have all of them, so it has to be known in this share of the rows.
KNOWN = 0.95
#: Columns that a combination has at most, and rows per column that it needs.
MOST_TERMS, ROWS_PER_COLUMN = 8, 4
#: What makes the inverse of correlations exist, and how many times what is unexplained may be above that for a look.
_RIDGE, MANY = 1e-9, 10
#: Coefficients that differ from 1 by less are 1.
_ONE = 1e-4


class Column(NamedTuple):
    """A column of numbers: its name, its values ``[n]``, and whether it is a target, of numbers or of two classes."""

    name: str
    values: np.ndarray
    target: bool = False
    classes: bool = False


def find_relations(table: pa.Table, schema: Schema, *, seed: int = 0) -> list[str]:
    """One line for every target that is a copy, a sum or another linear combination of targets or features.

    Combinations of a single feature are leaks, which :func:`~polytask.data.leaks.find_leaks` reports. The cost does not
    grow with the number of rows, and is that of one matrix product for up to :data:`MOST_COLUMNS` columns.

    Args:
        table: The table that ``schema`` was fitted to.
        schema: Its features and tasks.
        seed: Seed of the sample of rows.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> price, tax = draw.normal(size=(2, 100))
        >>> table = pa.table({"price": price, "tax": tax, "total": price + tax, "colour": ["red", "blue"] * 50})
        >>> from polytask.task import Task
        >>> tasks = [Task(name, kind="regression") for name in ("price", "tax", "total")]
        >>> find_relations(table, Schema.fit(table, tasks))
        ["target 'total' is the sum of targets 'price' and 'tax'"]
    """
    if table.num_rows > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(table.num_rows, MOST_ROWS, replace=False))
        table = table.select(sorted({*schema.feature_names, *(task.name for task in schema.tasks)})).take(rows)
    encoded = schema.encode_targets(table).double()
    targets = np.stack([task.in_units(encoded[:, place]).numpy() for place, task in enumerate(schema.tasks)], 1)
    return [*_copies(targets, schema), *_combinations(_columns(table, targets, schema))]


def _copies(targets: np.ndarray, schema: Schema) -> Iterator[str]:
    """Targets of classes with the same rows in each class, whatever the classes are called."""
    first: dict[bytes, str] = {}
    for place, task in enumerate(schema.tasks):
        if not task.definition.one_class:
            continue
        labels = targets[:, place]
        _, begins, codes = np.unique(np.nan_to_num(labels, nan=-1.0), return_index=True, return_inverse=True)
        if len(begins) < 2:
            continue
        seen = np.argsort(np.argsort(begins))[codes]  # classes in the order in which they appear
        key = hashlib.blake2b(seen.astype(np.int32).tobytes() + np.isnan(labels).tobytes()).digest()
        if (other := first.setdefault(key, task.name)) != task.name:
            yield f"target {task.name!r} is a copy or recoding of target {other!r}"


def _columns(table: pa.Table, targets: np.ndarray, schema: Schema) -> list[Column]:
    """Numbers that are known in nearly all rows: targets, then features."""
    numbers = [
        Column(task.name, targets[:, place], True, not task.definition.numeric)
        for place, task in enumerate(schema.tasks)
        if task.definition.numeric or (task.definition.one_class and len(task.classes) == 2)
    ]
    if len(schema.numbers) > MOST_FEATURES:
        return [column for column in numbers if _usable(column.values)][:MOST_COLUMNS]
    read = schema.read(table)
    numbers += [Column(column.name, np.asarray(values, np.float64))
                for column, values in zip(schema.numbers, schema.values(read), strict=True)]  # fmt: skip
    return [column for column in numbers if _usable(column.values)][:MOST_COLUMNS]


def _usable(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return len(known) >= max(1, KNOWN * len(values)) and known.min() < known.max()


def _combinations(columns: Sequence[Column]) -> Iterator[str]:
    """Lines for the targets that others explain, on the rows that have all columns."""
    if len(columns) < 2 or not any(column.target for column in columns):
        return
    values = np.stack([column.values for column in columns], 1)
    values = values[np.isfinite(values).all(1)]
    if len(values) < ROWS_PER_COLUMN * len(columns):
        return
    spread = values.std(0)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (values - values.mean(0)) / np.where(spread > 0, spread, 1.0)
    usable = [place for place in range(len(columns)) if spread[place] > 0 and np.isfinite(scaled[:, place]).all()]
    suspects = [usable[k] for k in np.flatnonzero(_unexplained(scaled[:, usable]) < MANY * (1 - EXPLAINED))]
    explained: list[int] = []
    for place in reversed(suspects):  # the last of several that explain each other is called a function of the others
        others = [other for other in usable if other != place and other not in explained]
        if not columns[place].target or columns[place].classes or not others:
            continue
        terms = _terms(scaled, place, others)
        if terms and not (len(terms) == 1 and not columns[terms[0]].target):
            explained.append(place)
            factors = _fit(scaled, place, terms) * spread[place] / spread[terms]
            yield f"target {columns[place].name!r} is {_in_words([columns[term] for term in terms], factors)}"


def _unexplained(scaled: np.ndarray) -> np.ndarray:
    """``[columns]`` share of each column's variance that all others do not explain, from one inverse."""
    correlations = scaled.T @ scaled / len(scaled)
    return 1 / np.linalg.inv(correlations + np.diag(np.full(len(correlations), _RIDGE))).diagonal()


def _terms(scaled: np.ndarray, place: int, others: list[int]) -> list[int]:
    """Indices of few columns that explain one, found one by one by what is left to explain (orthogonal matching
    pursuit); none if they do not."""
    wanted, left, terms = scaled[:, place], scaled[:, place], list[int]()
    while len(terms) < min(MOST_TERMS, len(others)):
        scores = np.abs(left @ scaled[:, others])
        scores[[others.index(term) for term in terms]] = -1
        terms.append(others[int(scores.argmax())])
        left = wanted - scaled[:, terms] @ _fit(scaled, place, terms)
        if left @ left <= (1 - EXPLAINED) * len(left):
            return _without_idle(scaled, place, terms)
    return []


def _without_idle(scaled: np.ndarray, place: int, terms: list[int]) -> list[int]:
    """The terms that are needed."""
    for term in list(terms):
        fewer = [other for other in terms if other != term]
        if fewer and _left(scaled, place, fewer) <= 1 - EXPLAINED:
            terms = fewer
    return sorted(terms)


def _fit(scaled: np.ndarray, place: int, terms: Sequence[int]) -> np.ndarray:
    return np.linalg.lstsq(scaled[:, terms], scaled[:, place], rcond=None)[0]


def _left(scaled: np.ndarray, place: int, terms: Sequence[int]) -> float:
    """Share of a column's variance that others do not explain."""
    left = scaled[:, place] - scaled[:, terms] @ _fit(scaled, place, terms)
    return float(left @ left) / len(left)


def _in_words(terms: Sequence[Column], factors: np.ndarray) -> str:
    """What a target is of others."""
    named = [f"{'target' if term.target else 'feature'} {term.name!r}" for term in terms]
    words = listed(named)
    if len({term.target for term in terms}) == 1 and len(terms) > 1:
        words = f"{'targets' if terms[0].target else 'features'} {listed([repr(term.name) for term in terms])}"
    if len(terms) == 1:
        same = abs(factors[0] - 1) < _ONE
        return f"a copy of {words}" + ("" if same else f" in another unit (times {factors[0]:.4g})")
    if np.all(np.abs(factors - 1) < _ONE):
        return f"the sum of {words}"
    shown = ", ".join(f"{factor:.4g}" for factor in factors)
    return f"a linear combination of {words} (times {shown})"
