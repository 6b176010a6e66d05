"""Plots of all targets together: how labels and errors correlate, and which labels are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ...data import Rows
from ...task import Task
from ...task.plots import Matrix
from ...task.scores import pearson

#: Blocks of rows, in their order, that missing labels are counted in.
BLOCKS = 24
#: Rows with both labels from which a correlation is shown.
LEAST_ROWS = 10


def correlations(columns: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[Matrix]:
    """Linear correlations of the labels, and of the errors, of every pair of targets.

    Args:
        columns: By target labels and predictions ``[n]``, NaN where there is no label.

    Example:
        >>> y, p = torch.arange(20.0), torch.zeros(20)
        >>> of_labels, of_errors = correlations({"a": (y, p), "b": (-y, p)})
        >>> of_labels.values[0]
        (1.0, -1.0)
    """
    if len(columns) < 2:
        return
    labels = {name: label for name, (label, _) in columns.items()}
    errors = {name: label - predicted for name, (label, predicted) in columns.items()}
    yield _correlation(
        "correlation_of_labels",
        "Correlation of the targets",
        labels,
        "Rows with both labels; targets of classes without an order are left out.",
    )
    yield _correlation(
        "correlation_of_errors", "Correlation of the errors", errors,
        "Correlations of the errors: a correlated error could be predicted from the other target.",
    )  # fmt: skip


def _correlation(name: str, title: str, columns: Mapping[str, Tensor], note: str) -> Matrix:
    names, values = tuple(columns), list(columns.values())
    known = [[_of_pair(one, other) for other in values] for one in values]
    return Matrix(name, title, names, names, tuple(map(tuple, known)), note=note)


def _of_pair(one: Tensor, other: Tensor) -> float | None:
    both = ~(torch.isnan(one) | torch.isnan(other))
    if int(both.sum()) < LEAST_ROWS:
        return None
    found = float(pearson(one[both], other[both]))
    return None if found != found else found


def missing_labels(rows: Rows, drawn: Sequence[Task], tasks: Sequence[Task]) -> list[Matrix]:
    """Where labels are missing: their share in blocks of training rows, in their order; nothing if none is."""
    if rows.observed is None or not len(rows):
        return []
    places = [place for place, task in enumerate(tasks) if task in drawn]
    parts = list(rows.observed[:, places].cpu().double().tensor_split(min(BLOCKS, len(rows))))
    shares = torch.stack([1 - part.mean(0) for part in parts], 1)
    if not bool(shares.any()):
        return []
    starts = [1]
    for part in parts[:-1]:
        starts.append(starts[-1] + len(part))
    return [Matrix(
        "missing_labels", "Missing labels", tuple(tasks[place].name for place in places),
        tuple(f"from row {start:,}" for start in starts), tuple(map(tuple, shares.tolist())),
        note="Share of the training rows without a label, in blocks of rows in the order of the table.",
    )]  # fmt: skip
