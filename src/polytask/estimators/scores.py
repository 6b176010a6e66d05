"""Skill of a run's networks on labelled rows."""

from __future__ import annotations

import math

import pyarrow as pa

from ..data import Rows
from ..runs import Bundle
from ..runs.use import labelled_rows
from ..training.evaluation import trivial_levels
from ..uncertainty import Estimate, skill_of


def skills_of(bundle: Bundle, table: pa.Table) -> dict[str, float]:
    """The skill of every target with labels: 0 for a constant prediction, 1 for a perfect one.

    Raises:
        UserError: See :func:`polytask.runs.use.evaluate_rows`.
    """
    rows, names = labelled_rows(bundle, table, where="table")
    return {name: one.value for name, one in skill_estimates(bundle, rows, names).items()}


def skill_estimates(bundle: Bundle, rows: Rows, names: list[str]) -> dict[str, Estimate]:
    """The same with standard errors."""
    levels, measured = trivial_levels(bundle.schema.tasks, rows), bundle.estimates(rows, names)
    found = {}
    for task in bundle.schema.tasks:
        one, level, perfect = measured.get(task.name), levels[task.name], task.metric_definition.perfect
        if one is not None and math.isfinite(one.value) and math.isfinite(level) and level != perfect:
            found[task.name] = skill_of(task.metric_definition, one, Estimate.exact(level))
    return found
