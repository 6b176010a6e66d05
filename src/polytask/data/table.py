"""From a file to an Arrow table, with messages that say what is wrong with the file."""

from __future__ import annotations

import contextlib
import gzip
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..errors import UserError
from .dialect import Dialect, detect
from .reading import Reading, interpret

FORMATS = (".csv", ".csv.gz", ".parquet", ".tsv", ".tsv.gz")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
T = TypeVar("T")
#: Bytes that Arrow parses at a time; a row has to fit, so that more are tried where one does not.
_BLOCK, _MOST_BLOCK = 1 << 20, 1 << 30


def read_table(
    path: str | Path,
    *,
    text: Collection[str] = (),
    columns: Sequence[str] | None = None,
    reading: Reading | None = None,
) -> pa.Table:
    """Read a CSV (also gzip-compressed) or Parquet file with typed columns.

    CSV: UTF-8, separated by commas, semicolons, tabs or bars (found out), names in the first line. Blanks at the ends
    of cells do not count; what is a number, a truth value or missing says :func:`~polytask.data.reading.interpret`.

    Args:
        path: A file ending in .csv, .tsv (both also with .gz) or .parquet.
        text: Columns of words, even if they look like numbers.
        columns: The columns that are read; all by default. Names that are not there are left out.
        reading: What is known of the columns.

    Raises:
        UserError: If the file cannot be read as a table; see :func:`require_rows` for a table without rows.
    """
    reading = reading or Reading()
    reading = replace(reading, kinds=dict(reading.kinds) | dict.fromkeys(text, "words"))
    return interpret(read_cells(path, columns)[0], reading)[0]


def read_cells(path: str | Path, columns: Sequence[str] | None = None) -> tuple[pa.Table, list[str]]:
    """The cells of a file as they are written (of CSV all text), and what is unusual about it, for the user to read.

    Args:
        path: See :func:`read_table`.
        columns: Likewise.

    Raises:
        UserError: Likewise.
    """
    path = Path(path)
    _check_file(path)
    if is_parquet(path):
        return _named(_read_parquet(path, columns), path), []
    dialect = _dialect(path)
    return _named(_read_csv(path, dialect, columns), path), dialect.describe()


def is_parquet(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith(".parquet")


def column_names(path: str | Path) -> list[str]:
    """The names of a file's columns; no cell is read.

    Raises:
        UserError: See :func:`read_table`.
    """
    path = Path(path)
    _check_file(path)
    if is_parquet(path):
        with _parquet_errors(path):
            return _named(pa.parquet.read_schema(path).empty_table(), path).column_names
    dialect = _dialect(path)
    with _csv_errors(path, dialect):
        names = dialect.columns or _in_blocks(lambda block: _begin_csv(path, dialect, block)).schema.names
        return _named(pa.table([pa.nulls(0)] * len(names), names=list(names)), path).column_names


def table_pieces(path: str | Path, *, rows: int = 65_536, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The same cells some rows at a time, in order and in bounded memory.

    Args:
        path: See :func:`read_cells`.
        rows: About so many rows at a time; at least one piece comes, even of no rows.
        columns: The columns that are read; all by default.

    Raises:
        UserError: As :func:`read_cells`; a fault far down in the file shows when its piece is read.
    """
    path = Path(path)
    _check_file(path)
    if is_parquet(path):
        yield from _parquet_pieces(path, rows, columns)
    else:
        yield from _csv_pieces(path, rows, columns)


@contextlib.contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: the Parquet file is damaged ({_first_line(error)}); write or copy it again"
        ) from error


def _parquet_pieces(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    with _parquet_errors(path):
        file = pa.parquet.ParquetFile(path, pre_buffer=False)  # otherwise all that was read is kept
        if file.metadata.num_rows == 0:
            yield _named(file.schema_arrow.empty_table(), path)
        wanted = None if columns is None else _wanted(file.schema_arrow.names, columns)
        for batch in file.iter_batches(rows, columns=wanted):
            yield _named(pa.Table.from_batches([batch]), path)


def _csv_pieces(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    dialect = _dialect(path)
    with _csv_errors(path, dialect):
        reader = _open_csv(path, dialect, columns)
        waiting: list[pa.RecordBatch] = []
        empty = True
        for batch in reader:
            waiting.append(batch)
            if sum(len(part) for part in waiting) >= rows:
                yield _named(pa.Table.from_batches(waiting), path)
                waiting, empty = [], False
        if waiting or empty:
            yield _named(pa.Table.from_batches(waiting, reader.schema), path)


def require_rows(table: pa.Table, path: str | Path) -> None:
    """Raise :class:`UserError` if ``table`` has no rows."""
    if table.num_rows == 0:
        raise UserError(f"{path}: the table has column names but no rows; at least one row is needed")


def _check_file(path: Path) -> None:
    if address := re.match(r"(\w{2,}):/", str(path)):
        rest = str(path)[address.end() :].lstrip("/")  # of two slashes a path keeps one
        raise UserError(f"{address[1]}://{rest}: addresses are not read; download the table and name the file")
    if not path.exists():
        near = [other.name for other in path.parent.glob("*") if other.name.lower().endswith(FORMATS)][:5]
        hint = f"; tables in that folder: {', '.join(sorted(near))}" if near else ""
        raise UserError(f"{path}: no such file{hint}")
    if path.is_dir():
        raise UserError(f"{path}: is a directory; name one file ending in {', '.join(FORMATS)}")
    if not path.name.lower().endswith(FORMATS):
        raise UserError(f"{path}: unknown kind of file; expected a name ending in {', '.join(FORMATS)}")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if size == 0:
        raise UserError(f"{path}: the file is empty; expected a line of column names and rows below it")
    _check_content(path, start)


def _check_content(path: Path, start: bytes) -> None:
    """A name that promises another format than the first bytes show."""
    for magic, ending, name in ((b"\x1f\x8b", ".gz", "a gzip file"), (b"PAR1", ".parquet", "a Parquet file")):
        if start.startswith(magic) and not path.name.lower().endswith(ending):
            raise UserError(
                f"{path}: is {name} by its content; rename it to end in {'.csv.gz' if ending == '.gz' else ending}"
            )
        if not start.startswith(magic) and path.name.lower().endswith(ending):
            raise UserError(f"{path}: is not {name}, although its name ends in {ending}; rename or convert it")
    if re.match(rb"(?i)\s*<(!doctype|html|\?xml|head|body)", start):
        raise UserError(f"{path}: is an HTML or XML page, not a table; was an error page downloaded instead of it?")
    if path.name.lower().endswith((".csv", ".tsv")) and b"\0" in start and not start.startswith(_UTF16):
        raise UserError(f"{path}: holds binary data; expected a table as text, or a name ending in .csv.gz or .parquet")


def _read_parquet(path: Path, columns: Sequence[str] | None) -> pa.Table:
    with _parquet_errors(path):
        file = pa.parquet.ParquetFile(path)
        wanted = None if columns is None else _wanted(file.schema_arrow.names, columns)
        return file.read(columns=wanted)


def _wanted(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The raw names of some columns."""
    return [name for name in names if name.strip() in columns]


def _dialect(path: Path) -> Dialect:
    with _gzip_errors(path):
        return detect(path)


def _read_csv(path: Path, dialect: Dialect, columns: Sequence[str] | None) -> pa.Table:
    with _csv_errors(path, dialect):
        return _in_blocks(lambda block: _parse_csv(path, dialect, columns, block))


def _parse_csv(
    path: Path, dialect: Dialect, columns: Sequence[str] | None, block: int, *, threads: bool = True
) -> pa.Table:
    names = dialect.columns or _begin_csv(path, dialect, block).schema.names
    # With one thread Arrow's pool waits at exit for tasks that a mistake in the file has left behind.
    options = _csv_options(dialect, names, columns, block, threads=threads and pa.cpu_count() > 1)
    table = pa.csv.read_csv(path, **options)
    return table.select([]) if columns is not None and not _wanted(names, columns) else table


def _open_csv(path: Path, dialect: Dialect, columns: Sequence[str] | None) -> pa.csv.CSVStreamingReader:
    def opened(block: int) -> pa.csv.CSVStreamingReader:
        names = dialect.columns or _begin_csv(path, dialect, block).schema.names
        return pa.csv.open_csv(path, **_csv_options(dialect, names, columns, block, threads=False))

    return _in_blocks(opened)


def _begin_csv(path: Path, dialect: Dialect, block: int) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(path, **_csv_options(dialect, [], None, block, threads=False))


def _in_blocks(read: Callable[[int], T]) -> T:
    """What ``read`` gives with a block that a row fits into."""
    block = _BLOCK
    while True:
        try:
            return read(block)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or block >= _MOST_BLOCK:
                raise
            block *= 8


def _csv_options(
    dialect: Dialect, names: Sequence[str], columns: Sequence[str] | None, block: int, *, threads: bool
) -> dict[str, Any]:
    reading = {"column_names": list(dialect.names), "skip_rows": 1} if dialect.names else {"skip_rows": dialect.above}
    return {
        "read_options": pa.csv.ReadOptions(use_threads=threads, block_size=block, **reading),
        "parse_options": pa.csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
        "convert_options": pa.csv.ConvertOptions(
            null_values=[],
            strings_can_be_null=False,
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=None if columns is None else _wanted(names, columns),
        ),
    }


@contextlib.contextmanager
def _gzip_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: the gzip file is damaged ({_first_line(error)}); write or copy it again") from error


@contextlib.contextmanager
def _csv_errors(path: Path, dialect: Dialect) -> Iterator[None]:
    with _gzip_errors(path):
        try:
            yield
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise UserError(_diagnose(path, dialect, error)) from error


def _diagnose(path: Path, dialect: Dialect, error: Exception) -> str:
    """Why Arrow could not parse the file."""
    problem = _encoding_problem(path)
    if problem:
        return problem
    message = _first_line(error)
    if "mpty CSV" in message:
        if path.read_bytes().strip() and not path.name.lower().endswith(".gz"):
            return f"{path}: the table has column names but no rows; at least one row is needed"
        return f"{path}: the file is empty; expected a line of column names and rows below it"
    try:
        _in_blocks(lambda block: _parse_csv(path, dialect, None, block, threads=False))  # only it numbers the rows
    except pa.ArrowInvalid as again:
        message = _first_line(again)
    message = message.removeprefix("CSV parse error: ")
    if "columns, got" in message:
        return (
            f"{path}: a line has another number of cells than the line of names: {message}; "
            "mend that line, or put cells that contain the separator in double quotes"
        )
    return f"{path}: is not a table of cells with a separator: {message}"


def _encoding_problem(path: Path) -> str | None:
    """A message with the place of the first bytes that are not UTF-8, or None."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    seen = 0
    with opener(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith(_UTF16):
                return f"{path}: is encoded as UTF-16; expected UTF-8. Save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return (
                    f"{path}: is not UTF-8: byte {seen + error.start + 1} (line {number}) is "
                    f"0x{line[error.start]:02x}. Save it as UTF-8 (from Latin-1: iconv -f LATIN1 -t UTF-8)"
                )
            seen += len(line)
    return None


def _named(table: pa.Table, path: Path) -> pa.Table:
    """The table with clean names, each of which appears once."""
    names = _names(table, path)
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        shown = ", ".join(repr(name) for name in repeated[:10])
        raise UserError(f"{path}: column names appear more than once: {shown}; rename or remove the doubles")
    return table.rename_columns(names)


def _names(table: pa.Table, path: Path) -> list[str]:
    try:
        names = [name.strip() for name in table.column_names]
    except UnicodeDecodeError as error:
        problem = _encoding_problem(path) or f"{path}: column names are not UTF-8; save it as UTF-8"
        raise UserError(problem) from error
    return names


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
