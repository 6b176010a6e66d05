"""Mistakes that the names of a table's columns show: no cell is read for them, and no PyTorch loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...config import Config
from ...config.split import split_column
from ...config.target import first_metrics
from ...data.columns import strange_cells
from ...data.formats import format_of
from ...data.roles import check_roles, check_targets, weight_columns
from ...data.table import column_names, is_small, read_cells, require_rows
from ...errors import did_you_mean, raise_all

#: Rows (or bytes) of a table up to which it is read to see whether more is wrong with it.
SMALL_ROWS, SMALL_BYTES = 1 << 20, 1 << 26


def check_header(config: Config) -> None:
    """Find mistakes in the names of columns before the table is read, and a file that cannot be read.

    Raises:
        UserError: All of them at once.
    """
    paths = [Path(source.table) for source in config.sources]
    if config.from_run is not None or any(path.is_dir() and format_of(path) is None for path in paths):
        return  # columns of a finished run, or arrays
    names = list(dict.fromkeys(name for path in paths for name in column_names(path)))
    if problems := header_problems(config, names, config.data_name):
        for path in paths:
            if is_small(path, SMALL_ROWS, SMALL_BYTES):
                require_rows(read_cells(path)[0], path)  # of what is no table at all the names mean little
        raise_all(list(dict.fromkeys(problems)))


def header_problems(config: Config, names: Sequence[str], where: str) -> list[str]:
    """Columns that are not there, or in two roles."""
    problems = [
        f"{where}: there is no column {name!r} (sample weight); {did_you_mean(name, names)}"
        for name in weight_columns(config.sample_weight)
        if name not in names
    ]
    problems += column_problems(config, names, where)
    problems += check_roles(names, where=where, targets=config.targets, **roles_of(config, names))
    options: dict[str, Mapping[str, Any]] = {
        "kind": config.kind,
        "metric": first_metrics(config),
        "weight": config.weights,
    }
    return problems + check_targets(names, where, config.targets, options)


def cell_problems(config: Config, table: pa.Table, where: str) -> list[str]:
    """Problems with the cells of columns that are neither features nor targets."""
    roles = {"row id": config.id, "split column": split_column(config), "group": config.group, "time": config.time}
    named = [(role, name) for role, name in roles.items() if name is not None]
    named += [("sample weight", name) for name in weight_columns(config.sample_weight)]
    known = set(table.column_names)
    return strange_cells({f"{where}: {role} {name!r}": table[name] for role, name in named if name in known})


def roles_of(config: Config, names: Sequence[str]) -> dict[str, Any]:
    """What the columns besides the targets are for, as :func:`~polytask.data.roles.check_roles` takes it."""
    weights = set(weight_columns(config.sample_weight)) - {*config.targets, *(config.features or ())}
    left_out = (*sorted(weights), *aside_columns(config))
    return {
        "features": config.features,
        "ignore": (*config.ignore, *(name for name in dict.fromkeys(left_out) if name in names)),
        "id_column": config.id,
        "split_column": split_column(config),
        "column_kinds": config.column_kind,
    }


def aside_columns(config: Config) -> tuple[str, ...]:
    """Columns that only say on which side a row is, and are no features."""
    kept = {config.id, *config.targets, *(config.features or ())}
    return tuple(name for name in (config.group, config.time) if name is not None and name not in kept)


def column_problems(config: Config, names: Sequence[str], where: str) -> list[str]:
    """Problems with the columns of groups and times."""
    problems = []
    named = [(role, name) for role, name in (("group", config.group), ("time", config.time)) if name is not None]
    weights = [("sample weight", name) for name in weight_columns(config.sample_weight)]
    for role, name in (*named, *weights):
        if name not in names and role != "sample weight":
            problems.append(f"{where}: there is no column {name!r} ({role}); {did_you_mean(name, names)}")
        if name in config.targets or (role != "time" and name in (config.features or ())):
            other = "target" if name in config.targets else "feature"
            problems.append(f"{where}: column {name!r} is listed as {other} and as {role}; keep one of these")
    return problems
