"""Columns of predictions, by target, with the types that the labels had."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ..data import Schema

Types = Mapping[str, pa.DataType]


def values_of(predicted: pa.Table, schema: Schema, types: Types) -> pa.Table:
    """The predicted value or class of every target, and what belongs to it except probabilities of classes.

    Args:
        predicted: From :meth:`polytask.runs.Bundle.predict`.
        schema: What the columns are.
        types: Arrow types of the label columns, for classes that were numbers, truth values or categories.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    for task in schema.tasks:
        own = [task.name] if task.classes else task.definition.column_names(task)
        known = [name for name in task.definition.interval_names(task) if name in predicted.column_names]
        columns |= {name: predicted[name] for name in (*own, *known)}
    for task in schema.tasks:
        if task.classes and task.name in types:
            columns[task.name] = _labels(columns[task.name], types[task.name], task.classes)
    return pa.table(columns)


def probabilities_of(predicted: pa.Table, schema: Schema) -> dict[str, pa.Table]:
    """By target with classes the probability of each class, one column per class in the order of the classes."""
    found = {}
    for task in schema.tasks:
        columns = {label: f"{task.name}_p_{label}" for label in task.classes}
        if columns and all(column in predicted.column_names for column in columns.values()):
            found[task.name] = pa.table({label: predicted[column] for label, column in columns.items()})
    return found


def _labels(column: pa.ChunkedArray, kind: pa.DataType, classes: tuple[str, ...]) -> pa.ChunkedArray:
    """Class labels with the type that they had; as text where they do not fit (two columns' sets of labels)."""
    try:
        if not pa.types.is_dictionary(kind):
            return column.cast(kind)
        codes = pc.index_in(column, pa.array(classes, column.type))
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(chunk, pa.array(classes).cast(kind.value_type)) for chunk in codes.chunks],
            pa.dictionary(pa.int32(), kind.value_type),
        )
    except pa.ArrowException:
        return column


def type_names(table: pa.Table, names: list[str]) -> dict[str, str]:
    """Types of label columns as words, to be stored; categories as ``category`` of their type."""
    kinds = {name: table.schema.field(name).type for name in names if name in table.column_names}
    return {
        name: f"category of {kind.value_type}" if pa.types.is_dictionary(kind) else str(kind)
        for name, kind in kinds.items()
    }


def types_from(names: Mapping[str, str]) -> dict[str, pa.DataType]:
    """The types that :func:`type_names` wrote; what has no short name is left out and predicted as text.

    Example:
        >>> types_from({"sold": "bool", "colour": "category of string", "when": "struct<>"})
        {'sold': DataType(bool), 'colour': DictionaryType(dictionary<values=string, indices=int32, ordered=0>)}
    """
    found = {}
    for name, word in names.items():
        category, _, kind = word.rpartition("category of ")
        try:
            value = pa.type_for_alias(kind)
        except ValueError:
            continue
        found[name] = pa.dictionary(pa.int32(), value) if category or word.startswith("category of ") else value
    return found
