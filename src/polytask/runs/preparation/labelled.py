"""Labels of a table as a schema knows its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ...data import Rows, Schema, encode_wide, for_words
from ...data.cells import joined
from ...data.columns import strange_cells
from ...errors import UserError, raise_all
from ...pretrained import per_word, texts_of
from ...task.kind import WordsKind


def labelled(inputs: Mapping[str, Any], table: pa.Table, schema: Schema, *, where: str = "table") -> Rows:
    """Rows with the labels of all tasks; of a task without a column none has one.

    Args:
        inputs: What the networks take of the rows.
        table: Its columns as they were read.
        schema: Its schema.
        where: Name of the table in messages.

    Raises:
        UserError: If a label is none of its task's, or tags and words do not match.
    """
    raise_all(strange_cells({
        f"{where}: target {task.name!r}": joined(table[task.name], " ") if words else table[task.name]
        for task in schema.tasks
        if task.name in table.column_names
        for words in [isinstance(task.definition, WordsKind)]
    }))  # fmt: skip
    needed = {*(task.name for task in schema.tasks), *(column.name for column in schema.encoded)}
    table = schema.read(table.select([name for name in table.column_names if name in needed]), where=where)
    rows = Rows.from_matrix(inputs, schema.encode_targets(table, where=where, partial=True))
    wide = encode_wide(table, schema.tasks, where=where, partial=True)
    if per_word(schema.tasks):
        if not schema.encoded:
            names = ", ".join(task.name for task in schema.tasks if task.definition.items)
            raise UserError(f"{where}: target {names} has a tag for every word, and needs an encoder of texts that "
                            "sees words; give encoder: hf:FOLDER, and a column of text")  # fmt: skip
        tags = {position: values for position, values in wide.items() if schema.tasks[position].definition.items}
        wide |= for_words(tags, texts_of(table, schema.encoded[0].name), schema.tasks, where=where)
    return replace(rows, wide=wide)
