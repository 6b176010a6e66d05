"""Which column is what: target, feature, row id, split, ignored."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ..errors import did_you_mean
from .columns import Coded, coded
from .features import KINDS


def feature_names(
    table: pa.Table,
    targets: Iterable[str],
    features: Sequence[str] | None,
    ignore: Sequence[str],
    id_column: str | None,
    split_column: str | None,
) -> list[str]:
    """The listed features, or every column that is nothing else, in the order of the table."""
    taken = {*targets, *ignore, id_column, split_column}
    return list(features) if features is not None else [name for name in table.column_names if name not in taken]


def check_columns(
    table: pa.Table,
    *,
    where: str,
    targets: Sequence[str],
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    id_column: str | None = None,
    split_column: str | None = None,
    column_kinds: Mapping[str, str] | None = None,
) -> list[str]:
    """Problems of the columns' roles: unknown, doubled, in two roles, no feature left, bad row ids.

    Known as soon as the table is read, so that a caller can show them together with others
    (:func:`~polytask.errors.raise_all`).
    """
    roles = {"feature": list(features or ()), "ignored": list(ignore)}
    roles |= {role: [name] for role, name in (("row id", id_column), ("split", split_column)) if name is not None}
    problems = _unknown(table, where, roles) + _conflicts(where, {"target": list(targets), **roles})
    if not feature_names(table, targets, features, ignore, id_column, split_column):
        problems.append(f"{where}: no feature columns are left; a model needs at least one column besides the targets")
    if id_column in table.column_names:
        problems += check_ids(coded(table[id_column]), f"{where}: row id {id_column!r}")
    return problems + _check_kinds(table, where, column_kinds or {})


def _unknown(table: pa.Table, where: str, roles: Mapping[str, Sequence[str]]) -> list[str]:
    known = set(table.column_names)
    return [
        f"{where}: there is no column {name!r} ({role}); {did_you_mean(name, table.column_names)}"
        for role, names in roles.items()
        for name in dict.fromkeys(names)
        if name not in known
    ]


def _conflicts(where: str, roles: Mapping[str, Sequence[str]]) -> list[str]:
    problems = [
        f"{where}: column {name!r} is listed {count} times as {role}; list it once"
        for role, names in roles.items()
        if role == "feature"
        for name, count in Counter(names).items()
        if count > 1
    ]
    names = dict.fromkeys(name for listed in roles.values() for name in listed)
    for name in names:
        found = [role for role, listed in roles.items() if name in listed]
        if len(found) > 1:
            problems.append(f"{where}: column {name!r} is listed as {' and as '.join(found)}; keep one of these")
    return problems


def _check_kinds(table: pa.Table, where: str, kinds: Mapping[str, str]) -> list[str]:
    known = set(table.column_names)
    problems = [
        f"{where}: there is no column {name!r} (of stated kind); {did_you_mean(name, table.column_names)}"
        for name in kinds
        if name not in known
    ]
    return problems + [
        f"{where}: column {name!r}: unknown kind {kind!r}; {did_you_mean(kind, KINDS)}"
        for name, kind in kinds.items()
        if kind not in KINDS
    ]


def check_ids(ids: Coded, at: str) -> list[str]:
    """Problems of a column of row ids: missing ones. ``at`` names it in messages."""
    missing = ids.index < 0
    if not missing.any():
        return []
    return [f"{at}: {int(missing.sum())} empty cells, first in row {int(missing.argmax()) + 1}; fill them"]


def repeated_ids(ids: Coded, name: str) -> list[str]:
    """A note if row ids appear more than once: such rows may be one thing, which then lies on both sides of a split.

    Example:
        >>> repeated_ids(coded(pa.chunked_array([["a", "b", "a"]])), "key")[0].split(";")[0]
        "row id 'key': 1 ids appear more than once, such as 'a' (rows 1, 3)"
    """
    repeated = np.flatnonzero(ids.counts() > 1)
    if not len(repeated):
        return []
    word = int(repeated[0])
    rows = ", ".join(str(row + 1) for row in np.flatnonzero(ids.index == word)[:3])
    return [f"row id {name!r}: {len(repeated):,} ids appear more than once, such as {ids.words[word].as_py()!r} (rows "
            f"{rows}); if they are duplicates, --group {shlex.quote(name)} keeps them in one split"]  # fmt: skip
