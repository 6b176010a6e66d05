"""What a format of tables has to know, from the name of a file to its cells."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from ..errors import UserError, used_up


class Format(ABC):
    """A format of tables. Columns keep the names that they have in the file; whoever reads cleans them.

    A path is what the user names: of some formats more than the file, such as the sheet in it.
    """

    #: How names of such files end, in lower case; none for a folder.
    endings: ClassVar[tuple[str, ...]] = ()
    #: What it is, in a line.
    about: ClassVar[str]
    #: The first bytes of such files, and the ending for a file that begins so; no bytes if anything is possible.
    magic: ClassVar[bytes] = b""
    #: What a file is that begins so, for messages.
    called: ClassVar[str] = ""
    #: Row groups of a single file can be read while training.
    streams: ClassVar[bool] = False
    #: :meth:`writer` writes predictions.
    writes: ClassVar[bool] = False

    def accepts(self, path: Path) -> bool:
        """Whether a path is of this format, by its name."""
        return self.file(path).name.lower().endswith(self.endings)

    def file(self, path: Path) -> Path:
        """The file (or folder) in which the table lies."""
        return path

    def files(self, path: Path) -> list[Path]:
        """All files that the table is made of."""
        return [self.file(path)]

    def check(self, path: Path) -> None:
        """Raise a :class:`UserError` if something needed is missing; the file exists and begins as it should."""
        return

    @abstractmethod
    def read(self, path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        """The cells as they are written, and what is unusual about the file, for the user to read.

        Args:
            path: The table.
            columns: Names of the columns that are read, without blanks at their ends; all if None. Names that are not
                there are left out.

        Raises:
            UserError: If the file is damaged.
        """

    @abstractmethod
    def names(self, path: Path) -> Sequence[str]:
        """The names of the columns; as little as possible is read.

        Raises:
            UserError: If the file is damaged.
        """

    def pieces(self, path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        """The same cells about ``rows`` at a time, in order; at least one piece comes, even of no rows."""
        table, _ = self.read(path, columns)
        yield from (table.slice(start, rows) for start in range(0, max(1, table.num_rows), rows))

    def is_small(self, path: Path, rows: int, size: int) -> bool:
        """Whether the table has at most this many rows, or (where that is not known) bytes."""
        return self.file(path).stat().st_size <= size

    def writer(self, path: Path, schema: pa.Schema, name: str) -> Any:
        """A context whose ``write_table`` writes pieces of this schema to ``path``, which is to be called ``name``."""
        raise NotImplementedError


def wanted(names: Sequence[str], columns: Sequence[str] | None) -> list[str] | None:
    """The raw names of some columns, None if all are wanted."""
    known = None if columns is None else set(columns)
    return None if known is None else [name for name in names if name.strip() in known]


@contextlib.contextmanager
def damaged(path: Path, what: str) -> Iterator[None]:
    """Arrow's errors as a message about a damaged file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if used_up(error):
            raise
        raise UserError(f"{path}: the {what} is damaged ({first_line(error)}); write or copy it again") from error


def first_line(error: Exception) -> str:
    """Of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
