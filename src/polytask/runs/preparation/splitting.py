"""Which rows train, validate and test: a function of the rows, the configuration and the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ...config import Config
from ...config.split import SCAFFOLD, shares_of, split_column
from ...data import PARTS, check_split, load_split, make_split
from ...data.columns import coded, is_text, strange_cells
from ...data.molecules import are_molecules, require_rdkit, scaffolds
from ...data.split_groups import group_codes, split_by_groups, split_by_time, time_blocks, times, uneven
from ...data.splits import held_shares, split_from_column, stratified
from ...errors import UserError, raise_all
from ...task import Task

#: How rows are grouped that follow each other.
TIME = "time"
#: The cells of a column, by its name.
Cells = Callable[[str], pa.ChunkedArray]


def split_rows(
    config: Config, cells: Cells, labels: np.ndarray, tasks: Sequence[Task], stored: Path | None, where: str
) -> tuple[np.ndarray, list[str]]:
    """The part of every row of the table, and notes for the user.

    Args:
        config: States how.
        cells: Reads a column.
        labels: ``[n, K]`` with NaN where there is none.
        tasks: Theirs.
        stored: File with the split of a run that is resumed.
        where: Name of the table in messages.

    Returns:
        ``[n]`` int8, 0 train, 1 validation, 2 test, as stored, from a column, or drawn.

    Raises:
        UserError: If the rows cannot be split so.
    """
    if stored is not None and stored.exists():
        return load_split(stored)[0][: len(labels)], []
    if (column := split_column(config)) is not None:
        return split_from_column(pa.table({column: cells(column)}), column, where), []
    return draw(config, cells, labels, tasks, where)


def draw(
    config: Config, cells: Cells, labels: np.ndarray, tasks: Sequence[Task], where: str
) -> tuple[np.ndarray, list[str]]:
    """A split by groups, by time, in folds or by chance; see :func:`split_rows`."""
    if config.folds is not None:
        together = together_by(config, cells)
        groups = None if together is None else group_codes(together)
        return _draw_folds(config, config.folds, groups, labels, tasks)
    kinds, n = [task.kind for task in tasks], len(labels)
    shares = held_shares(np.array(shares_of(config)), n)
    if (column := together_by(config, cells)) is not None:
        groups = group_codes(column)
        codes = split_by_groups(groups, labels, kinds, shares, config.seed)
        count, largest = int(groups.max()) + 1, int(np.bincount(groups).max())
        notes = [f"split: {count:,} groups by {config.group or SCAFFOLD!r}, each in one split"]
        if alone := int((coded(column).index < 0).sum()):
            notes[0] += f" ({alone:,} rows without a value are each a separate group)"
        return codes, notes + uneven(
            codes, shares, f"groups are not divided, and the largest has {largest:,} of {n:,} rows"
        )
    if config.time is not None:
        at = f"{where}: time {config.time!r}"
        when = times(cells(config.time), order_of(config), at)
        codes = split_by_time(when, shares, at)
        starts = [f"{part} from {_shown(cells(config.time), codes == code, when)}"
                  for code, part in enumerate(PARTS) if (codes == code).any()]  # fmt: skip
        notes = [f"split by {config.time!r}: {', '.join(starts)}"]
        return codes, notes + uneven(codes, shares, "rows with equal times are not divided")
    if (shares > 0).all():
        return make_split(labels, kinds, shares_of(config), config.seed), []
    if n < int((shares > 0).sum()):
        raise UserError(f"split: {n} rows cannot be split in training and the parts that are no files; give more rows")
    return stratified(labels, kinds, shares, config.seed), []


def together_by(config: Config, cells: Cells) -> pa.ChunkedArray | None:
    """Equal cells for rows of one group; None for a split by chance or by time."""
    name = SCAFFOLD if config.split == SCAFFOLD else config.group
    return None if name is None else cells(name)


def with_scaffolds(config: Config, table: pa.Table, cells: Cells, where: str) -> Cells:
    """For a split by scaffolds ``cells`` that also know these; else as they are; see :func:`molecule_column`."""
    if config.split != SCAFFOLD:
        return cells
    column = molecule_column(config, table, where)
    return lambda name: scaffolds(coded(cells(column))) if name == SCAFFOLD else cells(name)


def molecule_column(config: Config, table: pa.Table, where: str) -> str:
    """The column whose scaffolds split the rows.

    Args:
        config: States it, if it is not recognised.
        table: Rows by which it is recognised.
        where: Name of the table in messages.

    Raises:
        UserError: If there is not one column of molecules.
    """
    require_rdkit(f"split: {SCAFFOLD}")
    stated = [name for name, kind in config.column_kind.items() if kind == "smiles" and name in table.column_names]
    names = stated or [
        name
        for name in table.column_names
        if name not in config.targets and is_text(table[name].type) and are_molecules(coded(table[name]), name)
    ]
    if len(names) != 1:
        found = f"found {', '.join(names)}" if names else "none looks like one"
        raise UserError(f"split: {SCAFFOLD} needs one column of molecules in {where}, and {found}; name it "
                        "(--set data.column_kind.COLUMN=smiles), or give a column of groups (--group)"
                        )  # fmt: skip
    return names[0]


def groups_in(table: pa.Table, together: Mapping[str, str], rows: int | None = None) -> Tensor | None:
    """``[n]`` int64 group of every row, see :attr:`polytask.data.Rows.groups`; None for a table that states none.

    Args:
        table: The rows.
        together: By what they are grouped, and the column that states it: ``group``, ``scaffold``, or ``time`` with the
            order of day and month.
        rows: How many of the rows a standard error is of, for blocks in time; default: all.

    Example:
        >>> groups_in(pa.table({"who": ["b", "a", "b"]}), {"group": "who"})
        tensor([0, 1, 0])
    """
    for how, name in together.items():
        if name not in table.column_names:
            continue
        word, _, order = how.partition(" ")
        raise_all(strange_cells({f"{word} {name!r}": table[name]}))
        if word == TIME:
            when = times(table[name], order, f"time {name!r}")
            return torch.from_numpy(time_blocks(when, table.num_rows if rows is None else rows))
        return torch.from_numpy(group_codes(scaffolds(coded(table[name])) if word == SCAFFOLD else table[name]))
    return None


def _draw_folds(
    config: Config, folds: int, groups: np.ndarray | None, labels: np.ndarray, tasks: Sequence[Task]
) -> tuple[np.ndarray, list[str]]:
    """Test rows are those of one fold; without a fold none are, and every fold is checked.

    Raises:
        UserError: If a task cannot be trained or validated in one of the folds.
    """
    if config.fold is not None:
        return fold_split(config, folds, config.fold, groups, labels, tasks), []
    problems: list[str] = []
    for fold in range(folds):
        codes = fold_split(config, folds, fold, groups, labels, tasks)
        try:
            check_split(codes, labels, tasks, where=f"fold {fold}")
        except UserError as error:
            problems += error.problems
    raise_all(problems)
    kept = ", each group in one split" if groups is not None else ""
    return _inner(config, groups, labels, tasks), [
        f"cross-validation in {folds} folds{kept}; trained on all rows to serve"
    ]


def fold_split(
    config: Config, folds: int, fold: int, groups: np.ndarray | None, labels: np.ndarray, tasks: Sequence[Task]
) -> np.ndarray:
    """``[n]`` int8 part of every row in one fold of a cross-validation, whose test rows are those of no other fold.

    Args:
        config: Seed, and the shares of training and validation rows.
        folds: How many.
        fold: Which.
        groups: ``[n]`` of groups that stay whole, or None.
        labels: ``[n, K]``, NaN where there is none.
        tasks: Theirs.

    Raises:
        UserError: If there are fewer rows or groups than folds.
    """
    kinds, shares = [task.kind for task in tasks], np.full(folds, 1 / folds)
    if len(labels) < 3 * folds:
        raise UserError(f"folds: {len(labels)} rows are too few for {folds} folds; give at most {len(labels) // 3}")
    if groups is None:
        tested = stratified(labels, kinds, shares, config.seed) == fold
    else:
        tested = split_by_groups(groups, labels, kinds, shares, config.seed) == fold
    codes = np.full(len(labels), 2, np.int8)
    rest = np.flatnonzero(~tested)
    own = None if groups is None else np.unique(groups[rest], return_inverse=True)[1]
    codes[rest] = _inner(config, own, labels[rest], tasks)
    return codes


def _inner(config: Config, groups: np.ndarray | None, labels: np.ndarray, tasks: Sequence[Task]) -> np.ndarray:
    """Training and validation rows, in the shares that they have among all three parts."""
    train, validation, _ = shares_of(config)
    shares = held_shares(np.array([train, validation, 0.0]) / (train + validation), len(labels))
    kinds = [task.kind for task in tasks]
    if groups is None:
        return stratified(labels, kinds, shares, config.seed)
    return split_by_groups(groups, labels, kinds, shares, config.seed)


def _shown(column: pa.ChunkedArray, rows: np.ndarray, when: np.ndarray) -> str:
    """The earliest cell of some rows as it is written."""
    first = np.flatnonzero(rows)[when[rows].argmin()]
    return str(column[int(first)].as_py())


def order_of(config: Config) -> str:
    """Of day and month in the column of times, as far as stated."""
    kind = config.column_kind.get(str(config.time), "")
    return kind if kind in ("day_first", "month_first") else ""
