"""Estimators with scikit-learn's interface, over the same pipeline as the command."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pyarrow as pa
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from ..data.frames import arrow_table
from ..data.splits import make_split
from ..errors import UserError
from .labels import Classes, Numbers, native, stacked, target_of
from .predictor import TablePredictor

#: With fewer rows no part is held back: all rows are trained on, and validate, too.
LEAST_TO_HOLD_BACK = 60
_SPLIT, _WEIGHT = "part of the split", "weight of the row"


class MultiTaskEstimator(BaseEstimator):
    """One or several networks for the columns of ``y``, which may be classes and numbers side by side.

    Columns of text, of Booleans and of at most 20 different whole numbers are classes; all others are numbers.

    Args:
        networks: Maximum number of networks; ``"auto"`` chooses by the measured affinity.
        balance: Balancing method, or ``{"name": method, its options}``.
        converge: ``"joint"`` or ``"sequential"``: every target keeps its peak; or ``"off"``.
        steps: Optimiser steps of a training; by default by the number of rows.
        learning_rate: Learning rate.
        validation_fraction: Share of the rows that decides when to stop and which parameters to keep. With fewer than
            60 rows all are trained on, and validate, too.
        settings: Other keys of ``polytask fit``, such as ``{"model": {"hidden": [64, 32]}}``.
        random_state: Seed of the split, the weights and the order of rows.
        verbose: Show progress.

    Attributes:
        predictor_: The :class:`~polytask.estimators.TablePredictor` that was trained.
        target_names_: Names of the targets; the columns of ``y`` if it is a data frame.
        n_features_in_: Number of features.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> y = np.stack([(x[:, 0] > 0).astype(object), x[:, 1] + x[:, 2]], axis=1)
        >>> model = MultiTaskEstimator(steps=40, random_state=0).fit(x, y)
        >>> model.predict(x).shape, model.predict(x)[:, 0].tolist().count(True) > 50
        ((200, 2), True)
    """

    def __init__(
        self,
        *,
        networks: int | str = 1,
        balance: str | dict[str, Any] = "equal",
        converge: str = "joint",
        steps: int | None = None,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.15,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.networks = networks
        self.balance = balance
        self.converge = converge
        self.steps = steps
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags

    def _target(self, column: np.ndarray) -> Numbers | Classes:
        """What a column of ``y`` is; subclasses narrow it."""
        return target_of(column)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows with labels.

        Args:
            X: ``[n, D]``, an array of numbers, or a data frame with columns of any type; missing values are allowed.
            y: ``[n]`` or ``[n, K]`` labels, NaN or None where there is none.
            sample_weight: ``[n]`` weight of every row in the mean losses of training.

        Raises:
            ValueError: If the data or a setting is unusable.
        """
        features = self._features(X, reset=True)
        columns, names = self._columns(y, features)
        self._targets = [self._target(column) for column in columns]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        targets = np.stack([one.encode(column) for one, column in zip(self._targets, columns, strict=True)], 1)
        rows, parts = self._parts(targets, seed)
        table = features.take(rows)
        for k, name in enumerate(names):
            table = table.append_column(name, pa.array(targets[rows, k], from_pandas=True))
        table = table.append_column(_SPLIT, pa.array(np.array(["train", "validation"])[parts]))
        settings: dict[str, Any] = {"baselines": False, **(self.settings or {})}
        if any(isinstance(one, Classes) and len(one.labels) == 2 for one in self._targets):
            settings.setdefault("threshold", 0.5)  # scikit-learn predicts the likelier class
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, features, dtype=float)
            table = table.append_column(_WEIGHT, pa.array(weights[rows]))
            settings["sample_weight"] = _WEIGHT
        if self.steps is not None:
            settings["steps"] = self.steps
        kinds = dict(zip(names, (one.kind for one in self._targets), strict=True))
        for key in ("networks", "balance", "converge", "learning_rate"):
            settings[key] = getattr(self, key)
        predictor = TablePredictor(names, verbose=self.verbose, kind=kinds, split=_SPLIT, seed=seed, **settings)
        self.predictor_ = predictor.fit(table)
        self.target_names_ = names
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted classes and numbers, ``[n]`` or ``[n, K]`` as ``y`` was."""
        columns = self._predicted(X)
        return columns[0] if self._one_dimensional else stacked(columns)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The mean over targets of accuracy (classes) and R2 (numbers), on rows with a label."""
        predicted, columns = self._predicted(X), _columns_of(y)[0]
        weights = None if sample_weight is None else np.asarray(sample_weight, float)
        return float(np.mean([
            _score(one, column, values, weights)
            for one, column, values in zip(self._targets, columns, predicted, strict=True)
        ]))  # fmt: skip

    def _predicted(self, X: Any) -> list[np.ndarray]:
        """The predicted column of every target, with its type."""
        check_is_fitted(self)
        found = self.predictor_.predict(self._features(X, reset=False))
        return [one.decode(found[name]) for one, name in zip(self._targets, self.target_names_, strict=True)]

    def _features(self, X: Any, reset: bool) -> pa.Table:
        """The feature columns; those of an array are named ``x0``, ``x1``, ..."""
        if isinstance(X, Mapping) and not issparse(X):  # SciPy's sparse ones of keys are dictionaries
            X = arrow_table(X, "X")
        if hasattr(X, "columns"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return arrow_table(X, "X")
        return arrow_table(validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan"), "X")

    def _columns(self, y: Any, features: pa.Table) -> tuple[list[np.ndarray], list[str]]:
        """The columns of ``y`` and their names; a frame's own where they are free."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        columns, self._one_dimensional = _columns_of(y)
        check_consistent_length(columns[0], np.empty(features.num_rows))
        named = arrow_table(y, "y").column_names if _is_table(y) else []
        taken = {*features.column_names, _SPLIT, _WEIGHT}
        if not named or len(set(named)) < len(named) or taken & set(named):
            named = [f"y{k}" for k in range(len(columns))]
            while taken & set(named):
                named = ["_" + name for name in named]
        return columns, named

    def _parts(self, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers, and for each 0 for training or 1 for validation."""
        n, share = len(targets), float(self.validation_fraction)
        if n < 2:
            raise UserError(f"expected at least 2 rows, found n_samples={n}")
        if not 0 < share < 1:
            raise UserError(f"validation_fraction must be more than 0 and less than 1, found {share:g}")
        if n < LEAST_TO_HOLD_BACK:
            return np.tile(np.arange(n), 2), np.repeat([0, 1], n)
        codes = make_split(targets, [one.kind for one in self._targets], (1 - share, share / 2, share / 2), seed)
        return np.arange(n), np.minimum(codes, 1)


class MultiTaskRegressor(RegressorMixin, MultiTaskEstimator):
    """One or several networks for the numbers in the columns of ``y``; see :class:`MultiTaskEstimator`.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> y = np.stack([x[:, 0] + x[:, 1], x[:, 2] ** 2], axis=1)
        >>> MultiTaskRegressor(steps=40, random_state=0).fit(x, y).predict(x).shape
        (200, 2)
    """

    score = MultiTaskEstimator.score

    def _target(self, column: np.ndarray) -> Numbers:
        return Numbers()


class MultiTaskClassifier(ClassifierMixin, MultiTaskEstimator):
    """One or several networks for the classes in the columns of ``y``; see :class:`MultiTaskEstimator`.

    Attributes:
        classes_: ``[C]`` the classes, or a list of such for the columns of ``y``.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> y = np.stack([np.where(x[:, 0] > 0, "hot", "cold"), np.where(x[:, 1] > 0, "wet", "dry")], axis=1)
        >>> model = MultiTaskClassifier(steps=40, random_state=0).fit(x, y)
        >>> model.classes_[1].tolist(), model.predict_proba(x)[1].shape
        (['dry', 'wet'], (200, 2))
    """

    score = MultiTaskEstimator.score

    def _target(self, column: np.ndarray) -> Classes:
        return Classes.of(column)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """See :meth:`MultiTaskEstimator.fit`."""
        super().fit(X, y, sample_weight)
        labels = [one.labels for one in self._targets if isinstance(one, Classes)]
        self.classes_ = labels[0] if self._one_dimensional else labels
        return self

    def predict_proba(self, X: Any) -> np.ndarray | list[np.ndarray]:
        """``[n, C]`` probabilities of the classes, or a list of such for the columns of ``y``."""
        check_is_fitted(self)
        found = self.predictor_.predict_proba(self._features(X, reset=False))
        named = zip(self._targets, self.target_names_, strict=True)
        shares = [one.probabilities(found[name]) for one, name in named if isinstance(one, Classes)]
        return shares[0] if self._one_dimensional else shares


def _is_table(y: Any) -> bool:
    """Whether columns have names."""
    return hasattr(y, "columns") or (isinstance(y, Mapping) and not issparse(y))


def _columns_of(y: Any) -> tuple[list[np.ndarray], bool]:
    """The columns of ``y``, and whether it is a single one."""
    if _is_table(y):
        table = arrow_table(y, "y")
        return [native(table[name].to_numpy()) for name in table.column_names], False
    values = check_array(y, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="y")
    if values.ndim == 2 and values.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected; y was raveled",
            DataConversionWarning,
            stacklevel=4,
        )
        return [values[:, 0]], True
    return ([values], True) if values.ndim == 1 else ([native(column) for column in values.T], False)


def _score(target: Numbers | Classes, column: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None) -> float:
    """Accuracy of classes, R2 of numbers, on the rows with a label."""
    labelled = ~np.isnan(target.encode(column))
    chosen = None if weights is None else weights[labelled]
    if isinstance(target, Classes):
        return float(accuracy_score(column[labelled], predicted[labelled], sample_weight=chosen))
    return float(r2_score(column[labelled].astype(float), predicted[labelled], sample_weight=chosen))
