"""Features that give a target away. They are reported, not removed: only the user knows whether they are a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..task import Task
from .cells import encode_wide
from .columns import Coded, coded
from .label_columns import label_columns
from .ranks import ranks
from .schema import Schema

#: Above this correlation, ROC-AUC or share of rows a single feature is suspicious.
SUSPICIOUS = 0.999
#: Above that, found roughly for all pairs at once, a pair is looked at.
RELATED = 0.9
#: Cells of features that are compared at a time.
_TOGETHER = 1 << 22
#: Rows looked at: a leak shows in a sample.
MOST_ROWS = 20_000
#: With fewer labelled rows (of each class), perfect agreement may be chance.
FEWEST_ROWS = 10


@dataclass(frozen=True)
class Candidate:
    """A feature to compare with every target.

    Attributes:
        name: Its name.
        values: ``[n]`` numbers with NaN, None for words.
        codes: ``[n]`` its distinct values as 0, 1, ... (missing is one of them); None if most values are distinct,
            because such a column (an id) determines everything without meaning anything.
    """

    name: str
    values: np.ndarray | None
    codes: np.ndarray | None


def find_leaks(table: pa.Table, schema: Schema, *, seed: int = 0) -> list[str]:
    """One line for every pair of a feature and a target where the feature alone predicts the target almost perfectly.

    Numbers: correlation (Pearson or Spearman) with a regression target, or ROC-AUC for a binary one, above 0.999.
    Categories and numbers with few distinct values: they determine the class of more than 99.9 % of the rows, or
    explain more than 99.9 % of the variance; this includes copies and recodings of a target.

    Args:
        table: The table that ``schema`` was fitted to.
        schema: Its features and tasks.
        seed: Seed of the sample of rows of a large table.

    Example:
        >>> table = pa.table({"sold": [0, 1] * 20, "status": ["open", "gone"] * 20, "size": list(range(40))})
        >>> find_leaks(table, Schema.fit(table, [Task("sold")]))
        ["feature 'status' is a recoding of target 'sold'"]
    """
    if table.num_rows > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(table.num_rows, MOST_ROWS, replace=False))
        table = table.select(sorted({*schema.feature_names, *(task.name for task in schema.tasks)})).take(rows)
    targets, tasks = label_columns(
        schema.encode_targets(table).double(), encode_wide(table, schema.tasks), schema.tasks
    )
    features = list(_candidates(table, schema))
    related = _related([feature.values for feature in features], targets)
    return [
        f"feature {feature.name!r} {finding} target {task.name!r}{figure}"
        for feature, close in zip(features, related, strict=True)
        for k, task in enumerate(tasks)
        if close[k] or feature.codes is not None
        for finding, figure in _compare(feature, task, targets[:, k], bool(close[k]))
    ]


def _related(values: Sequence[np.ndarray | None], targets: np.ndarray) -> np.ndarray:
    """``[features, targets]`` bool: pairs of numbers that are worth a separate test, by values or by ranks.

    Found by a few products of matrices for all pairs, within what missing cells can change.
    """
    found = np.zeros((len(values), targets.shape[1]), bool)
    places = [place for place, numbers in enumerate(values) if numbers is not None]
    each, ranks = max(1, _TOGETHER // max(len(targets), 1)), _ranked(targets)
    for begin in range(0, len(places), each):
        block = places[begin : begin + each]
        columns = np.stack([np.asarray(values[place], np.float64) for place in block], 1)
        close = np.maximum(_correlations(columns, targets), _correlations(_ranked(columns), ranks))
        ordered = _correlations(_ranked(columns), targets)  # of two classes, as far as these can be ordered
        found[block] = (close > RELATED) | (ordered > RELATED * _most_ordered(targets))
    return found


def _ranked(columns: np.ndarray) -> np.ndarray:
    """``[n, columns]`` ranks, ties shared, NaN where missing."""
    missing = np.isnan(columns)
    return np.where(missing, np.nan, ranks(np.where(missing, np.inf, columns)))


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``[columns of a, columns of b]`` absolute correlations over the rows that both have."""
    (a, known_a), (b, known_b) = _standard(a), _standard(b)
    n = known_a.T @ known_b
    sum_a, sum_b = a.T @ known_b, known_a.T @ b
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = a.T @ b - sum_a * sum_b / n
        spread = ((a * a).T @ known_b - sum_a**2 / n) * (known_a.T @ (b * b) - sum_b**2 / n)
        found = np.abs(covariance) / np.sqrt(np.maximum(spread, 0))
    return np.where(np.isnan(found), 0.0, found)


def _standard(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of mean 0 and deviation 1 with 0 where missing, and where they are known."""
    known = ~np.isnan(columns)
    n = np.maximum(known.sum(0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = np.where(known, columns - np.where(known, columns, 0.0).sum(0) / n, 0.0)
        scale = np.sqrt((centred**2).sum(0) / n)
    usable = np.isfinite(scale) & (scale > 0)
    return np.where(usable, centred, 0.0) / np.where(usable, scale, 1.0), known.astype(np.float64)


def _most_ordered(targets: np.ndarray) -> np.ndarray:
    """``[targets]`` correlation of ranks with a binary target that they separate: sqrt(3 p (1 - p))."""
    share = (targets > 0).sum(0) / np.maximum((~np.isnan(targets)).sum(0), 1)
    return np.sqrt(3 * share * (1 - share))


def _candidates(table: pa.Table, schema: Schema) -> Iterator[Candidate]:
    table = schema.read(table)
    for column, values in zip(schema.numbers, schema.values(table), strict=True):
        yield Candidate(column.name, values, _codes_of_numbers(values))
    for name in schema.feature_names[len(schema.numeric) + len(schema.temporal) :]:
        yield Candidate(name, None, _codes_of_words(coded(table[name])))


def _codes_of_numbers(values: np.ndarray) -> np.ndarray | None:
    distinct, codes = np.unique(values, return_inverse=True)  # NaN is one of the values
    return codes if len(distinct) <= len(values) / 2 else None


def _codes_of_words(words: Coded) -> np.ndarray | None:
    return words.index + 1 if len(words.words) <= len(words.index) / 2 else None


def _compare(feature: Candidate, task: Task, labels: np.ndarray, related: bool) -> list[tuple[str, str]]:
    """What the feature does to the target and the figure, for the first test that is met."""
    known = ~np.isnan(labels)
    finding = None
    if feature.codes is not None:
        explain = _explained_values if task.definition.numeric else _explained_classes
        finding = explain(feature.codes[known], labels[known])
    related &= task.definition.ordered or len(task.classes) == 2
    if finding is None and feature.values is not None and related:
        known &= ~np.isnan(feature.values)
        compare = _correlation if task.definition.ordered else _ranking
        finding = compare(feature.values[known], labels[known])
    return [] if finding is None else [finding]


def _explained_classes(codes: np.ndarray, labels: np.ndarray) -> tuple[str, str] | None:
    """Share of rows whose class is the most frequent one of their category, over categories of several rows."""
    if len(labels) < 2 * FEWEST_ROWS:
        return None
    width = int(labels.max()) + 1
    table = np.bincount(codes * width + labels.astype(np.int64), minlength=(codes.max() + 1) * width).reshape(-1, width)
    several = table[table.sum(1) > 1]
    total = several.sum()
    by_class = np.sort(several.sum(0))[::-1]
    if total < len(labels) / 2 or by_class[1:].sum() < FEWEST_ROWS:
        return None
    wrong, wrong_without = total - several.max(1).sum(), total - by_class[0]
    # A rare class alone makes nearly all rows right: the feature has to explain that class too.
    if wrong > (1 - SUSPICIOUS) * total or wrong > 0.05 * wrong_without:
        return None
    if wrong == 0 and len(several) == (by_class > 0).sum():
        return "is a recoding of", ""
    return "determines", f" in {100 * (1 - wrong / total):.2f} % of the rows"


def _explained_values(codes: np.ndarray, labels: np.ndarray) -> tuple[str, str] | None:
    """Share of the variance between categories of several rows."""
    counts = np.bincount(codes)
    several = counts[codes] > 1
    codes, labels = codes[several], labels[several]
    if len(labels) < max(2 * FEWEST_ROWS, several.size / 2) or labels.var() == 0:
        return None
    means = np.bincount(codes, labels) / np.maximum(np.bincount(codes), 1)
    share = 1 - ((labels - means[codes]) ** 2).mean() / labels.var()
    return ("determines", f" (explains {100 * share:.2f} % of its variance)") if share > SUSPICIOUS else None


def _correlation(values: np.ndarray, labels: np.ndarray) -> tuple[str, str] | None:
    if len(labels) < 2 * FEWEST_ROWS:
        return None
    pearson = _pearson(values, labels)
    if abs(pearson) > SUSPICIOUS:
        return "is a linear function of", f" (correlation {pearson:.5f})"
    spearman = _pearson(_ranks(values), _ranks(labels))
    return ("orders", f" (rank correlation {spearman:.5f})") if abs(spearman) > SUSPICIOUS else None


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else 0.0


def _ranking(values: np.ndarray, labels: np.ndarray) -> tuple[str, str] | None:
    """ROC-AUC in either direction, from the ranks of the positive rows."""
    positive = labels == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if min(ones, zeros) < FEWEST_ROWS:
        return None
    auc = (_ranks(values)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros)
    auc = max(auc, 1 - auc)
    return ("separates the classes of", f" (ROC-AUC {auc:.5f})") if auc > SUSPICIOUS else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties shared."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[inverse]
