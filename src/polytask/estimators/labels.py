"""Columns of ``y`` as numbers for training, and predictions as what ``y`` held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.utils.multiclass import check_classification_targets

#: Whole numbers with at most this many distinct values are classes where the user leaves it open.
MOST_CLASSES = 20


@dataclass(frozen=True)
class Numbers:
    """A target of numbers."""

    kind: str = "regression"

    def encode(self, column: np.ndarray) -> np.ndarray:
        """``[n]`` float64, NaN where there is no label."""
        numbers = column.astype(float)
        if np.isinf(numbers).any():
            raise ValueError("Input y contains infinity; give NaN for rows without a label")
        return numbers

    def decode(self, predicted: pa.ChunkedArray) -> np.ndarray:
        """``[n]`` predicted numbers."""
        return predicted.to_numpy()


@dataclass(frozen=True)
class Classes:
    """A target of classes, which are trained on by their numbers.

    Attributes:
        labels: ``[C]`` the classes in order, as ``y`` held them.
    """

    labels: np.ndarray

    @classmethod
    def of(cls, column: np.ndarray) -> Classes:
        """The classes of a column of ``y``.

        Raises:
            ValueError: If there are fewer than two, or the labels are numbers with decimals.
        """
        given = column[~_empty(column)]
        if column.dtype.kind == "f":
            Numbers().encode(column)
            check_classification_targets(given)
        labels = np.unique(given)
        if len(labels) < 2:
            raise ValueError(f"expected at least 2 classes in y, found {len(labels)} class: {labels.tolist()}")
        return cls(labels)

    @property
    def kind(self) -> str:
        """The kind of the task."""
        return "binary" if len(self.labels) == 2 else "multiclass"

    def encode(self, column: np.ndarray) -> np.ndarray:
        """``[n]`` numbers of the classes, NaN where there is no label."""
        empty = _empty(column)
        codes = np.full(len(column), np.nan)
        codes[~empty] = np.searchsorted(self.labels, column[~empty])
        return codes

    def decode(self, predicted: pa.ChunkedArray) -> np.ndarray:
        """``[n]`` predicted classes."""
        return self.labels[np.array(predicted.to_pylist(), dtype=float).astype(int)]

    def probabilities(self, predicted: pa.Table) -> np.ndarray:
        """``[n, C]`` probabilities in the order of :attr:`labels`; 0 for a class that was too rare to be learned."""
        found = np.zeros((predicted.num_rows, len(self.labels)))
        for name in predicted.column_names:
            found[:, int(float(name))] = predicted[name].to_numpy()
        return found


def target_of(column: np.ndarray) -> Numbers | Classes:
    """Classes for words, truth values and few whole numbers; numbers for all else."""
    if column.dtype.kind in "f":
        return Numbers()
    if column.dtype.kind in "iu" and len(np.unique(column)) > MOST_CLASSES:
        return Numbers()
    return Classes.of(column)


def native(column: np.ndarray) -> np.ndarray:
    """A column of objects that are all numbers or truth values, as an array of such; None becomes NaN.

    Example:
        >>> native(np.array([1, None, 2.5], dtype=object)), native(np.array([True, False], dtype=object)).dtype
        (array([1. , nan, 2.5]), dtype('bool'))
    """
    if column.dtype != object:
        return column
    empty = _empty(column)
    given = np.array(column[~empty].tolist())
    if given.ndim != 1 or given.dtype.kind not in ("iuf" if empty.any() else "biuf"):
        return column
    if not empty.any():
        return given
    found = np.full(len(column), np.nan)
    found[~empty] = given
    return found


def _empty(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind in "biuSU":
        return np.zeros(len(column), bool)
    return np.array([value is None or value != value for value in column.tolist()], bool)


def stacked(columns: list[Any]) -> np.ndarray:
    """``[n, K]`` from columns ``[n]``, as objects if they hold different types."""
    kinds = {column.dtype.kind for column in columns}
    mixed = len(kinds) > 1 and not kinds <= set("iuf")
    return np.stack([column.astype(object) if mixed else column for column in columns], axis=1)
