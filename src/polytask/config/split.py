"""The keys that say which rows train, validate and test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .key import is_given

if TYPE_CHECKING:
    from .config import Config

#: Shares of training, validation and test rows where none are given.
DRAWN = (0.7, 0.15, 0.15)
#: Files of rows by the part that they are.
FILES = ("validation", "test")


#: Value of `split` that keeps molecules of one scaffold together.
SCAFFOLD = "scaffold"


def split_column(config: Config) -> str | None:
    """The column with the part of every row, if that is what `split` names."""
    return config.split if isinstance(config.split, str) and config.split != SCAFFOLD else None


def is_drawn(config: Config) -> bool:
    """Whether rows come into their parts by chance, each by itself."""
    stated = (config.group, config.time, config.validation, config.test)
    return not isinstance(config.split, str) and all(key is None for key in stated)


def split_problems(config: Config) -> Iterator[str]:
    """Keys of the split that do not combine."""
    by = [key for key in ("group", "time") if getattr(config, key) is not None]
    files = [key for key in FILES if getattr(config, key) is not None]
    if len(by) == 2:
        yield ("group, time: a group may have rows before and after a date, so both cannot hold; give one of "
               "them, or a column with the split of every row (split: COLUMN)")  # fmt: skip
    if config.split == SCAFFOLD:
        yield from (f"{key}: has no effect with split: {SCAFFOLD}, by which molecules of one scaffold are in one part; "
                    "leave one of them out" for key in by)  # fmt: skip
    if split_column(config) is not None:
        yield from (f"{key}: has no effect with split: {config.split}, a column with the split of every row; leave "
                    "one of them out" for key in (*by, *files))  # fmt: skip
    elif len(files) == len(FILES):
        given = [*by, *(["split"] if is_given(config, "split") else [])]
        yield from (f"{key}: has no effect where validation and test are files: nothing is split at random; "
                    "leave it out" for key in given)  # fmt: skip
    if files and not isinstance(config.data, str):
        yield f"{', '.join(files)}: are for a single table, found several data sets; give a split column"
    if files and config.from_run is not None:
        yield f"{', '.join(files)}: has no effect with from; put the rows into the table, with a split column"
    if files and config.stream is True:
        yield (f"stream: {' and '.join(files)} are separate files, and one Parquet file is read while training; "
               "put the rows into it, with a split column")  # fmt: skip
    yield from fold_problems(config)


def fold_problems(config: Config) -> Iterator[str]:
    """Keys that do not combine with a cross-validation."""
    if config.folds is None:
        if config.fold is not None:
            yield "fold: has an effect only with folds: give their number"
        return
    reasons = (
        (config.fold is not None and config.fold >= config.folds, f"there is no fold {config.fold}, they count from 0"),
        (split_column(config) is not None, "has no effect with a column with the split of every row (split)"),
        (config.time is not None, "tests every row, including the earliest; leave one of folds and time out"),
        (config.validation is not None, "draws the validation rows from the table; leave validation out"),
        (config.test is not None, "draws the test rows from the table; leave test out"),
        (config.from_run is not None, "has no effect with from: rows keep the split of that run"),
        (not isinstance(config.data, str), "is for a single table, found several data sets"),
        (config.stream is True, "reads the whole table; leave stream out"),
    )
    yield from (f"folds: {reason}" for wrong, reason in reasons if wrong)


def shares_of(config: Config) -> tuple[float, float, float]:
    """Shares of the table's rows that are drawn for each part; nothing for a part that is a file."""
    assert split_column(config) is None
    train, validation, test = DRAWN if isinstance(config.split, str) else config.split
    kept = (train, validation * (config.validation is None), test * (config.test is None))
    return kept[0] / sum(kept), kept[1] / sum(kept), kept[2] / sum(kept)
