"""Which column is what: target, feature, row id, split, ignored."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import did_you_mean
from .columns import Coded, coded

#: Kinds of feature columns that a user can state.
KINDS = ("numeric", "categorical", "text", "image", "smiles", "date", "day_first", "month_first")


def weight_columns(given: str | Mapping[str, str] | None) -> list[str]:
    """The columns that hold weights of rows, each once.

    Example:
        >>> weight_columns({"click": "trust", "price": "trust"})
        ['trust']
    """
    if given is None:
        return []
    return [given] if isinstance(given, str) else list(dict.fromkeys(given.values()))


def feature_names(
    names: Iterable[str],
    targets: Iterable[str],
    features: Sequence[str] | None,
    ignore: Sequence[str],
    id_column: str | None,
    split_column: str | None,
) -> list[str]:
    """The listed features, or every column that is nothing else, in the order of the table."""
    taken = {*targets, *ignore, id_column, split_column}
    return list(features) if features is not None else [name for name in names if name not in taken]


def check_columns(table: pa.Table, *, where: str, targets: Sequence[str], **roles: Any) -> list[str]:
    """Problems of the columns' roles, see :func:`check_roles`, and bad row ids.

    Known as soon as the table is read, so that a caller can show them together with others
    (:func:`~polytask.errors.raise_all`).
    """
    problems, id_column = check_roles(table.column_names, where=where, targets=targets, **roles), roles.get("id_column")
    if id_column in table.column_names:
        problems += check_ids(coded(table[id_column]), f"{where}: row id {id_column!r}")
    return problems


def check_roles(
    names: Sequence[str],
    *,
    where: str,
    targets: Sequence[str],
    features: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    id_column: str | None = None,
    split_column: str | None = None,
    column_kinds: Mapping[str, str] | None = None,
) -> list[str]:
    """Problems of the columns' roles that their names show: unknown, doubled, in two roles, no feature left."""
    roles = {"feature": list(features or ()), "ignored": list(ignore)}
    roles |= {role: [name] for role, name in (("row id", id_column), ("split", split_column)) if name is not None}
    problems = _unknown(names, where, roles) + _conflicts(where, {"target": list(targets), **roles})
    if not feature_names(names, targets, features, ignore, id_column, split_column):
        problems.append(f"{where}: no feature columns are left; a model needs at least one column besides the targets")
    return problems + _check_kinds(names, where, column_kinds or {})


def check_targets(
    names: Sequence[str], where: str, targets: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Targets that are no columns or doubled, and options of what is no target."""
    problems = [] if targets else [f"{where}: no target columns given; name at least one"]
    known = set(names)
    for name, count in Counter(targets).items():
        if name not in known:
            problems.append(f"{where}: there is no column {name!r}; {did_you_mean(name, names)}")
        if count > 1:
            problems.append(f"{where}: target {name!r} is listed {count} times; list it once")
    for option, given in options.items():
        strange = [name for name in given if name not in targets]
        problems += [f"{option} of {name!r}: not one of the targets; {did_you_mean(name, targets)}" for name in strange]
    return problems


def _unknown(names: Sequence[str], where: str, roles: Mapping[str, Sequence[str]]) -> list[str]:
    known = set(names)
    return [
        f"{where}: there is no column {name!r} ({role}); {did_you_mean(name, names)}"
        for role, listed in roles.items()
        for name in dict.fromkeys(listed)
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


def _check_kinds(names: Sequence[str], where: str, kinds: Mapping[str, str]) -> list[str]:
    known = set(names)
    problems = [
        f"{where}: there is no column {name!r} (of stated kind); {did_you_mean(name, names)}"
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
