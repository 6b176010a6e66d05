"""Free text beside other columns has to earn its place: it is used where validation shows that it helps."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...config import Config
from ...data import Rows, Schema, SparseRows
from ...data.features import DroppedColumn
from ...data.text import without_columns
from ...records.values import read_object
from ...task import Task
from ...training.evaluation import trivial_levels
from ...uncertainty import Estimate, exceeds, skill_of
from ..keep import Skills, mean_difference
from ..linear import linear_models

#: Probability that a column of text without information is used.
FALSE_KEEPS = 0.05
#: Targets by which texts are judged at most.
MOST_TASKS = 12
#: Why a column is left out.
NOT_EARNED = "it does not help on validation"


def idle_texts(config: Config, schema: Schema, rows: Mapping[str, Rows], stored: Path | None = None) -> dict[int, str]:
    """Columns of free text that do not help on validation, by index in ``schema.text``, each with a sentence.

    A column is judged by linear models of some of the targets, with it and without it: it stays if the mean skill on
    validation rows is better by more than chance. Columns that the user has named stay, and so does text that is all
    there is.

    Args:
        config: The run's configuration.
        schema: With all columns.
        rows: By part.
        stored: The stored schema of a run that continues, which has decided.
    """
    places = _judged(config, schema)
    if not places:
        return {}
    if stored is not None:
        before = {column["name"] for column in read_object(stored)["dropped"]}
        return {place: "" for place in places if schema.text[place].name in before}
    return _idle(config, schema, rows, places)


def without_texts(schema: Schema, idle: Collection[int]) -> Schema:
    """The schema without the columns of text at some positions."""
    kept = tuple(column for place, column in enumerate(schema.text) if place not in idle)
    dropped = tuple(DroppedColumn(schema.text[place].name, NOT_EARNED) for place in idle)
    return replace(schema, text=kept, dropped=(*schema.dropped, *dropped))


def inputs_without(inputs: Mapping[str, Any], schema: Schema, idle: Collection[int]) -> dict[str, Any]:
    """Inputs without the columns of text at some positions; ``schema`` still has them."""
    own = {name: leaf for name, leaf in inputs.items() if name != "text"}
    text = inputs["text"]
    assert isinstance(text, SparseRows)
    left = without_columns(text, idle, schema.text_settings.width)
    return own | ({"text": left} if left.width else {})


def _judged(config: Config, schema: Schema) -> list[int]:
    """Indices of the columns of text that have to earn theirs."""
    if config.features is not None or not (schema.numbers or schema.categorical or schema.molecules):
        return []
    return [place for place, column in enumerate(schema.text) if column.name not in config.column_kind]


def _idle(config: Config, schema: Schema, rows: Mapping[str, Rows], places: Sequence[int]) -> dict[int, str]:
    """The columns among these that do not help, each with a sentence for the user."""
    if not len(rows["validation"]) or not len(rows["train"]):
        return {}
    fixed = [place for place in range(len(schema.text)) if place not in places]
    without = _skills(config, schema, rows, fixed)
    if not without:  # neither the inputs nor the targets are such as linear models take
        return {}
    found = {}
    for place in places:
        gain = mean_difference(without, _skills(config, schema, rows, [*fixed, place]))
        if not exceeds(gain, FALSE_KEEPS):
            seen = f" (skill of linear models {gain.value:+.3f} ±{1.96 * gain.error:.3f})"
            name = schema.text[place].name
            key = shlex.quote(f"data.column_kind.{name}=text")
            found[place] = f"text {name!r} is left out: {NOT_EARNED}{seen}; --set {key} uses it"
    return found


def _skills(config: Config, schema: Schema, rows: Mapping[str, Rows], texts: Sequence[int]) -> Skills:
    """Skill on validation of linear models of some targets that read these columns of text and all others."""
    positions = list(range(min(len(schema.tasks), MOST_TASKS)))
    tasks = [schema.tasks[position] for position in positions]
    others = set(range(len(schema.text))) - set(texts)
    parts = {
        part: replace(rows[part], inputs=inputs_without(rows[part].inputs, schema, others)).only_tasks(positions)
        for part in ("train", "validation")
    }
    found, _ = linear_models(parts, "validation", tasks, config.seed)
    levels = trivial_levels(tasks, parts["validation"])
    return {task.name: _skill(task, found[task.name]["validation"], levels) for task in tasks if task.name in found}


def _skill(task: Task, found: Estimate, levels: Mapping[str, float]) -> Estimate:
    return skill_of(task.metric_definition, found, Estimate.exact(levels[task.name]))
