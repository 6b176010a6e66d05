"""How the table of a run is read: the columns as configured, and what is reported about them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ...config import Config
from ...config.split import split_column
from ...data import InferredTask, Reading, Schema, all_marks, weight_columns
from ...data.columns import coded
from ...data.features import encode_categories
from ...data.infer import describe_alike, describe_renamed, relabelled
from ...data.molecules import invalid, is_available, look_like_smiles
from ...task import KINDS

#: How cells are read by the kind of a feature; others are what they look like. Kinds of targets say it themselves.
_CELLS = {
    "text": "words", "image": "words", "smiles": "words", "categorical": "classes", "numeric": "numbers",
    "date": "dates", "day_first": "dates", "month_first": "dates",
}  # fmt: skip
#: Share of rows with a distinct value from which a text is nearly unique.
_UNIQUE = 0.9
#: Share of cells that were never seen in training from which that is reported.
_UNSEEN = 0.1


def reading_of(config: Config) -> Reading:
    """What the configuration states about cells: roles and stated kinds come before what cells look like."""
    kinds: dict[str, str] = {name: KINDS[kind].form for name, kind in config.kind.items()}
    kinds |= {name: _CELLS[kind] for name, kind in config.column_kind.items() if kind in _CELLS}
    names = [name for name in (config.id, split_column(config), config.group) if isinstance(name, str)]
    kinds |= dict.fromkeys(names, "words")
    names += [] if config.time is None else [config.time]
    used = None
    if config.features is not None:
        used = frozenset([*config.features, *config.targets, *names, *weight_columns(config.sample_weight)])
    return Reading(all_marks(config.missing), kinds, frozenset(config.ignore), used)


def with_renamed(table: pa.Table, inferred: Sequence[InferredTask]) -> pa.Table:
    """The table with labels of rare classes replaced."""
    for found in inferred:
        if found.renamed:
            position = table.column_names.index(found.task.name)
            table = table.set_column(position, found.task.name, relabelled(table[position], found.renamed))
    return table


def notes_on(inferred: Sequence[InferredTask], schema: Schema, table: pa.Table) -> list[str]:
    """Rare classes, values beyond the range, and texts that are nearly all different: what the user should know."""
    notes = [note for found in inferred for note in describe_renamed(found.task.name, found.renamed)]
    notes += [note for found in inferred for note in describe_alike(found.task)]
    notes += far_values(schema, table)
    notes += invalid_molecules(schema, table)
    for column in schema.text:
        words = coded(table[column.name])
        if not is_available() and look_like_smiles(words, column.name):
            notes.append(f"{column.name!r}: text that looks like molecules (SMILES); with pip install "
                         "'polytask[molecules]' it is read as molecules")  # fmt: skip
            continue
        rows = int((words.index >= 0).sum())
        if rows and len(words.words) > _UNIQUE * rows:
            notes.append(
                f"{column.name!r}: text, {len(words.words):,} different ones in {rows:,} rows; it makes "
                f"{schema.text_settings.width:,} inputs: leave it out if it carries no information "
                f"(--ignore {shlex.quote(column.name)})"
            )
    return notes


def far_values(schema: Schema, table: pa.Table, where: str = "") -> list[str]:
    """A line for every column of numbers with values that are clipped."""
    lines = []
    for column, values in zip(schema.numeric, schema.values(schema.read(table)), strict=False):
        low, high = column.limits
        far = (values < low) | (values > high)
        if column.low is not None and far.any():
            row = int(far.argmax())
            lines.append(
                f"{where}{column.name!r}: {int(far.sum()):,} of {len(values):,} values are far outside of the training "
                f"range ({column.low:g} to {column.high:g}), such as {values[row]:g} (row {row + 1}); they are clipped "
                f"to {np.clip(values[row], low, high):g}. `fit --missing {values[row]:g}` counts them as missing"
            )
    return lines


def invalid_molecules(schema: Schema, table: pa.Table, before: int = 0) -> list[str]:
    """A line for every column of molecules with cells that RDKit cannot read, after ``before`` rows of the file."""
    lines = []
    table = schema.read(table)
    for column in schema.molecules:
        words = coded(table[column.name])
        bad = np.flatnonzero(words.gather(invalid(words.words), False))
        if len(bad):
            rows = ", ".join(str(before + row + 1) for row in bad[:8].tolist()) + (", ..." if len(bad) > 8 else "")
            lines.append(
                f"{column.name!r}: {len(bad):,} of {len(words.index):,} cells are no molecules that RDKit can read; "
                f"they count as missing: row {rows} (first {words.words[int(words.index[bad[0]])].as_py()!r})"
            )
    return lines


def unseen_values(schema: Schema, table: pa.Table) -> list[str]:
    """A line for every column of categories of which many cells were never seen in training."""
    lines = []
    table = schema.read(table)
    for column in schema.categorical:
        words = coded(table[column.name])
        filled = words.index >= 0
        unseen = filled & (encode_categories(words, column) == 0)
        if unseen.sum() > _UNSEEN * filled.sum():
            lines.append(
                f"{column.name!r}: {int(unseen.sum()):,} of {int(filled.sum()):,} values were never seen in training, "
                f"such as {words.example(~np.isin(words.words.to_pylist(), column.categories))}; they count as missing"
            )
    return lines
