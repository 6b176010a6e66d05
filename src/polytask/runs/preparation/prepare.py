"""From what a user gives to labelled rows: one way, with a source for each form of data."""

from __future__ import annotations

from pathlib import Path

from ...config import Config
from ...data.table import check_files
from ..adding.base import Base
from .arrays import Arrays
from .known_table import KnownTable
from .prepared import Prepared
from .source import Source
from .stored import StoredTable
from .table import Table

#: The first that takes the data reads them.
SOURCES: tuple[type[Source], ...] = (Arrays, StoredTable, Table)


def prepare(config: Config, stored_split: Path | None = None, base: Base | None = None) -> Prepared:
    """Read and check the data of a run.

    Args:
        config: The run's configuration.
        stored_split: A split saved earlier, used instead of drawing one.
        base: The finished run to which tasks are added, if there is one.

    Raises:
        UserError: Whatever is wrong with the data, as much as possible at once.
    """
    check_files(config.tables)
    if base is not None:
        return KnownTable(config, base).prepared(stored_split)
    return source_of(config)(config).prepared(stored_split)


def source_of(config: Config) -> type[Source]:
    """The first source that takes the data.

    Raises:
        UserError: If they are to be streamed and cannot be.
    """
    return next(source for source in SOURCES if source.takes(config))
