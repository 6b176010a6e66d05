"""From a file to an Arrow table, with messages that say what is wrong with the file."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from ..errors import UserError, raise_all
from .columns import decoded
from .format import Format
from .formats import ENDINGS, FORMATS, file_of, format_of
from .formats.delimited import encoding_problem
from .reading import Reading, interpret


def read_table(
    path: str | Path,
    *,
    text: Collection[str] = (),
    columns: Sequence[str] | None = None,
    reading: Reading | None = None,
) -> pa.Table:
    """Read a table of any of the formats with typed columns.

    Blanks at the ends of cells of text do not count; what is a number, a truth value or missing states
    :func:`~polytask.data.reading.interpret`.

    Args:
        path: The table; its name states the format, see :data:`~polytask.data.formats.FORMATS`.
        text: Columns of words, even if they look like numbers.
        columns: The columns that are read; all by default. Names that are not there are left out.
        reading: What is known of the columns.

    Raises:
        UserError: If the file cannot be read as a table; see :func:`require_rows` for a table without rows.
    """
    reading = reading or Reading()
    reading = replace(reading, kinds=dict(reading.kinds) | dict.fromkeys(text, "words"))
    return interpret(read_cells(path, columns)[0], reading).table


def read_cells(path: str | Path, columns: Sequence[str] | None = None) -> tuple[pa.Table, list[str]]:
    """The cells of a file as they are written (of CSV all text), and what is unusual about it, for the user to read.

    Raises:
        UserError: See :func:`read_table`.
    """
    path = Path(path)
    table, notes = _checked(path).read(path, columns)
    return _named(table, path), notes


def column_names(path: str | Path) -> list[str]:
    """The names of a file's columns; no cell is read.

    Raises:
        UserError: See :func:`read_table`.
    """
    path = Path(path)
    names = list(_checked(path).names(path))
    return list(_named(pa.table([pa.nulls(0)] * len(names), names=names), path).column_names)


def check_files(paths: Sequence[str | Path]) -> None:
    """Find out before the work whether files are there.

    Raises:
        UserError: All that are missing at once.
    """
    problems: list[str] = []
    for path in map(Path, paths):
        if not file_of(path).exists():
            try:
                _checked(path)
            except UserError as error:
                problems += error.problems
    raise_all(problems)


def table_pieces(path: str | Path, *, rows: int = 65_536, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The same cells some rows at a time, in order; of text, Parquet and others that can be read so in bounded memory.

    Args:
        path: See :func:`read_cells`.
        rows: About this many rows at a time; at least one piece comes, even of no rows.
        columns: The columns that are read; all by default.

    Raises:
        UserError: As :func:`read_cells`; a fault far down in the file shows when its piece is read.
    """
    path = Path(path)
    for piece in _checked(path).pieces(path, rows, columns):
        yield _named(piece, path)


def is_small(path: Path, rows: int, size: int) -> bool:
    """Whether a table has at most this many rows (or bytes), or cannot be read, which reading it reports."""
    found = format_of(path)
    return found is None or not found.file(path).exists() or found.is_small(path, rows, size)


def can_stream(path: Path) -> bool:
    """Whether a table's row groups can be read while training."""
    found = format_of(path)
    return found is not None and found.streams


def require_rows(table: pa.Table, path: str | Path) -> None:
    """Raise :class:`UserError` if ``table`` has no rows."""
    if table.num_rows == 0:
        raise UserError(f"{path}: the table has column names but no rows; at least one row is needed")


def _checked(path: Path) -> Format:
    """The format of a table that is there and begins as it should.

    Raises:
        UserError: It states what is wrong.
    """
    if address := re.match(r"(\w{2,}):/", str(path)):
        rest = str(path)[address.end() :].lstrip("/")  # of two slashes a path keeps one
        raise UserError(f"{address[1]}://{rest}: URLs are not read; download the table and name the file")
    found, file = format_of(path), file_of(path)
    if not file.exists():
        near = [other.name for other in file.parent.glob("*") if other.name.lower().endswith(ENDINGS)][:5]
        hint = f"; tables in that folder: {', '.join(sorted(near))}" if near else ""
        raise UserError(f"{file}: no such file{hint}")
    if file.is_dir() and (found is None or found.endings):
        raise UserError(f"{path}: is a directory; name one file ending in {', '.join(ENDINGS)}")
    if found is None:
        raise UserError(f"{path}: unknown kind of file; expected a name ending in {', '.join(ENDINGS)}")
    if file.is_file():
        _check_start(file, found)
    found.check(path)
    return found


def _check_start(file: Path, expected: Format) -> None:
    """A name that promises another format than the first bytes show."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            start = opened.read(1024)
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from error
    if size == 0:
        raise UserError(f"{file}: the file is empty; expected a line of column names and rows below it")
    if start.startswith(b"PK\x03\x04") and _is_archive(file):
        raise UserError(f"{file}: is a zip archive, not a table; unpack it and name the file in it")
    known = [(b"\x1f\x8b", ".gz", ".csv.gz", "a gzip file")]
    known += [(one.magic, one.endings[0], one.endings[0], one.called) for one in FORMATS.values() if one.magic]
    for magic, ending, rename, called in known:
        fits = file.name.lower().endswith(ending) or expected.magic == magic
        if start.startswith(magic) and not fits:
            raise UserError(f"{file}: is {called} by its content; rename it to end in {rename}")
        if not start.startswith(magic) and fits:
            raise UserError(f"{file}: is not {called}, although its name ends in {ending}; rename or convert it")
    if ".csv" in expected.endings and re.match(rb'(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*"', start):
        raise UserError(
            f"{file}: is JSON by its content; rename it to end in .json (an array), or .jsonl (a line per row)"
        )
    if re.match(rb"(?i)\s*<(!doctype|html|\?xml|head|body)", start):
        raise UserError(f"{file}: is an HTML or XML page, not a table; was an error page downloaded instead of it?")


def _is_archive(file: Path) -> bool:
    """Whether an intact zip file is no workbook of Excel."""
    try:
        with zipfile.ZipFile(file) as archive:
            return "[Content_Types].xml" not in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _named(table: pa.Table, path: Path) -> pa.Table:
    """The decoded table with clean names, each of which appears once; of columns without a name one stays."""
    names = _names(table, path)
    if names.count("") > 1:
        first = names.index("")
        kept = [place for place, name in enumerate(names) if name or place == first]
        table, names = table.select(kept), [names[place] for place in kept]
    table = decoded(table)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        shown = ", ".join(repr(name) for name in repeated[:10])
        raise UserError(f"{path}: column names appear more than once: {shown}; rename or remove the duplicates")
    return table.rename_columns(names)


def _names(table: pa.Table, path: Path) -> list[str]:
    try:
        names = [name.strip() for name in table.column_names]
    except UnicodeDecodeError as error:
        problem = encoding_problem(path) or f"{path}: column names are not UTF-8; save it as UTF-8"
        raise UserError(problem) from error
    return names
