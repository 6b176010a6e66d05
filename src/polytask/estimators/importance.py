"""Permutation importance of the columns of a table for every target, with standard errors.

Source: see :mod:`polytask.runs.importance`; grouped features as in Chavent et al., and scikit-learn's advice for
correlated columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ..display.html import cell, table
from ..errors import UserError, did_you_mean, raise_all
from ..runs import Bundle
from ..runs.importance import falls_of_skill
from ..runs.plots.groups import correlated_groups
from ..runs.use import labelled_rows
from ..uncertainty import Estimate
from .scores import skill_estimates


@dataclass(frozen=True)
class Importance:
    """How important features are for targets.

    Attributes:
        features: Names of the rows: a column, or several that are shuffled together.
        targets: Names of the columns.
        values: ``[F, T]`` fall of the target's skill when the feature is shuffled: 0 if the feature is not used, 1 if a
            perfect prediction becomes a constant one.
        errors: ``[F, T]`` standard errors, of the rows and of the shuffles.
    """

    features: tuple[tuple[str, ...], ...]
    targets: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray

    def top(self, target: str, count: int = 10) -> list[tuple[str, float, float]]:
        """Feature, fall of skill and standard error, the most important first."""
        if target not in self.targets:
            raise UserError(f"{target!r} is not a target; {did_you_mean(target, self.targets)}")
        column = self.targets.index(target)
        order = np.argsort(-self.values[:, column], kind="stable")[:count]
        names = [", ".join(self.features[k]) for k in order]
        return list(zip(names, self.values[order, column].tolist(), self.errors[order, column].tolist(), strict=True))

    def _repr_html_(self) -> str:
        """Features by their largest importance; values within two errors of 0 are grey."""
        rows = []
        for k in np.argsort(-self.values.max(1), kind="stable")[:50]:
            cells = [_cell(*pair) for pair in zip(self.values[k], self.errors[k], strict=True)]
            rows.append((", ".join(self.features[k]), cells))
        return table(["feature", *self.targets], rows)


def _cell(value: float, error: float) -> str:
    colour = "" if abs(value) > 2 * error else "color:gray"
    return cell(f"{value:.3f} \u00b1{error:.3f}", colour)


def permutation_importance(
    bundle: Bundle,
    table: pa.Table,
    *,
    repeats: int = 5,
    rows: int = 2000,
    seed: int = 0,
    groups: Sequence[Sequence[str]] | None = None,
    correlated: float = 0.9,
) -> Importance:
    """How much the skill of every target falls when a feature's values are shuffled among the rows.

    Takes ``(features x repeats + 1)`` predictions of ``rows`` rows.

    Args:
        bundle: The networks.
        table: Rows with features and labels.
        repeats: Shuffles of every feature.
        rows: At most this many rows are used, drawn at random.
        seed: Random seed of rows and shuffles.
        groups: Columns that are shuffled together; columns in no group are shuffled alone. By default numeric columns
            whose rank correlation is at least ``correlated``: the importance of one alone hides behind the others.
        correlated: See ``groups``; above 1 none are grouped.

    Raises:
        UserError: If a group names an unknown column or one twice, or the table has no labels.
    """
    if repeats < 1 or rows < 2:
        raise UserError(f"expected at least 1 repeat and 2 rows, found repeats={repeats} and rows={rows}")
    rng = np.random.default_rng(seed)
    if table.num_rows > rows:
        table = table.take(np.sort(rng.choice(table.num_rows, rows, replace=False)))
    labelled, names = labelled_rows(bundle, table, where="table")
    known = [name for name in bundle.schema.feature_names if name in table.column_names]
    chosen = _correlated(bundle, table, known, correlated) if groups is None else _given(groups, known)
    chosen += [(name,) for name in known if not any(name in group for group in chosen)]
    before = skill_estimates(bundle, labelled, names)

    def shuffled(feature: int, order: np.ndarray) -> dict[str, Estimate]:
        inputs = bundle.inputs(_shuffled(table, chosen[feature], order))
        return skill_estimates(bundle, replace(labelled, inputs=inputs), list(before))

    falls = falls_of_skill(before, shuffled, len(chosen), table.num_rows, repeats, rng)
    return Importance(tuple(chosen), tuple(before), *falls)


def _shuffled(table: pa.Table, columns: Iterable[str], order: np.ndarray) -> pa.Table:
    for name in columns:
        table = table.set_column(table.column_names.index(name), name, table[name].take(order))
    return table


def _given(groups: Sequence[Sequence[str]], known: list[str]) -> list[tuple[str, ...]]:
    flat = [name for group in groups for name in group]
    raise_all(
        [f"groups: {name!r} is not a feature; {did_you_mean(name, known)}" for name in flat if name not in known]
        + [f"groups: {name!r} is named twice" for name in dict.fromkeys(flat) if flat.count(name) > 1]
    )
    return [tuple(group) for group in groups]


def _correlated(bundle: Bundle, table: pa.Table, known: list[str], least: float) -> list[tuple[str, ...]]:
    """Numeric columns that are joined by correlations of their ranks, as connected groups of at least two."""
    numeric = {column.name for column in bundle.schema.numeric}
    names = [name for name in known if name in numeric]
    if len(names) < 2 or least > 1:
        return []
    read = bundle.schema.read(table)
    numbers = np.stack([np.asarray(read[name].to_numpy(), dtype=float) for name in names])
    filled = np.where(np.isnan(numbers), np.nanmean(numbers, axis=1, keepdims=True), numbers)
    groups = correlated_groups(np.nan_to_num(filled), least)
    return [tuple(names[place] for place in group) for group in groups if len(group) > 1]
