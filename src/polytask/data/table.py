"""From a file to an Arrow table, with messages that say what is wrong with the file."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ..errors import UserError
from .columns import MISSING_NUMBERS

FORMATS = (".csv", ".csv.gz", ".parquet")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_table(path: str | Path, *, text: Collection[str] = ()) -> pa.Table:
    """Read a CSV (also gzip-compressed) or Parquet file.

    CSV: UTF-8, separated by commas, names in the first line. Empty cells are missing; in columns of numbers
    ``nan``, ``NaN``, ``null`` and ``NULL`` are missing too. A column with any other word is a column of words.

    Args:
        path: A file ending in .csv, .csv.gz or .parquet.
        text: Columns of a CSV file that are words even if they look like numbers (see :attr:`Schema.word_columns`).

    Raises:
        UserError: If the file cannot be read as a table; see :func:`require_rows` for a table without rows.
    """
    path = Path(path)
    _check_file(path)
    table = _read_parquet(path) if path.name.lower().endswith(".parquet") else _read_csv(path, text)
    return _named(table, path)


def table_pieces(
    path: str | Path,
    *,
    text: Collection[str] = (),
    numbers: Collection[str] = (),
    rows: int = 65_536,
    columns: Sequence[str] | None = None,
) -> Iterator[pa.Table]:
    """The same table some rows at a time, in order and in bounded memory.

    Args:
        path: See :func:`read_table`.
        text: Columns of a CSV file that are words.
        numbers: Columns of a CSV file that are numbers. Kinds of all others follow from the first rows.
        rows: About so many rows at a time; at least one piece comes, even of no rows.
        columns: The columns of a Parquet file that are read; all by default.

    Raises:
        UserError: As :func:`read_table`; a fault far down in the file shows when its piece is read.
    """
    path = Path(path)
    _check_file(path)
    if path.name.lower().endswith(".parquet"):
        yield from _parquet_pieces(path, rows, columns)
    else:
        yield from _csv_pieces(path, text, numbers, rows)


def _parquet_pieces(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    try:
        file = pa.parquet.ParquetFile(path, pre_buffer=False)  # otherwise all that was read is kept
        if file.metadata.num_rows == 0:
            yield _named(file.schema_arrow.empty_table(), path)
        for batch in file.iter_batches(rows, columns=None if columns is None else list(columns)):
            yield _named(pa.Table.from_batches([batch]), path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: the Parquet file is damaged ({_first_line(error)}); write or copy it again"
        ) from error


def _csv_pieces(path: Path, text: Collection[str], numbers: Collection[str], rows: int) -> Iterator[pa.Table]:
    kinds = dict.fromkeys(text, pa.string())
    try:
        with pa.csv.open_csv(path, **_csv_options(kinds, threads=False)) as reader:
            first = reader.schema
        # Whole numbers, or nothing at all, in the first rows say little about the rest.
        vague = [field.name for field in first if pa.types.is_integer(field.type) or pa.types.is_null(field.type)]
        kinds |= {name: pa.float64() for name in vague if name.strip() in numbers}
        reader = pa.csv.open_csv(path, **_csv_options(kinds, threads=False))
        waiting: list[pa.RecordBatch] = []
        empty = True
        for batch in reader:
            waiting.append(batch)
            if sum(len(part) for part in waiting) >= rows:
                yield _named(pa.Table.from_batches(waiting), path)
                waiting, empty = [], False
        if waiting or empty:
            yield _named(pa.Table.from_batches(waiting, reader.schema), path)
    except pa.ArrowInvalid as error:
        raise UserError(_diagnose(path, text, error)) from error
    except OSError as error:
        raise UserError(f"{path}: the gzip file is damaged ({_first_line(error)}); write or copy it again") from error


def require_rows(table: pa.Table, path: str | Path) -> None:
    """Raise :class:`UserError` if ``table`` has no rows."""
    if table.num_rows == 0:
        raise UserError(f"{path}: the table has column names but no rows; at least one row is needed")


def _check_file(path: Path) -> None:
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
    for magic, ending, name in ((b"\x1f\x8b", ".csv.gz", "a gzip file"), (b"PAR1", ".parquet", "a Parquet file")):
        if start.startswith(magic) and not path.name.lower().endswith(ending):
            raise UserError(f"{path}: is {name} by its content; rename it to end in {ending}")
        if not start.startswith(magic) and path.name.lower().endswith(ending):
            raise UserError(f"{path}: is not {name}, although its name ends in {ending}; rename or convert it")
    if path.name.lower().endswith(".csv") and b"\0" in start and not start.startswith(_UTF16):
        raise UserError(f"{path}: holds binary data; expected a table as text, or a name ending in .csv.gz or .parquet")


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pa.parquet.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: the Parquet file is damaged ({_first_line(error)}); write or copy it again"
        ) from error


def _read_csv(path: Path, text: Collection[str]) -> pa.Table:
    try:
        table = _parse_csv(path, text, threads=True)
    except pa.ArrowInvalid as error:
        raise UserError(_diagnose(path, text, error)) from error
    except OSError as error:
        raise UserError(f"{path}: the gzip file is damaged ({_first_line(error)}); write or copy it again") from error
    # Arrow reads bytes that are not UTF-8 as binary columns, and fails only on their names.
    if any(pa.types.is_binary(field.type) for field in table.schema):
        raise UserError(_encoding_problem(path) or f"{path}: has binary cells; expected text in UTF-8")
    return table


def _parse_csv(path: Path, text: Collection[str], *, threads: bool) -> pa.Table:
    return pa.csv.read_csv(path, **_csv_options(dict.fromkeys(text, pa.string()), threads=threads))


def _csv_options(kinds: Mapping[str, pa.DataType], *, threads: bool) -> dict[str, Any]:
    return {
        "read_options": pa.csv.ReadOptions(use_threads=threads),
        "parse_options": pa.csv.ParseOptions(newlines_in_values=True),
        "convert_options": pa.csv.ConvertOptions(
            null_values=list(MISSING_NUMBERS), strings_can_be_null=False, column_types=dict(kinds)
        ),
    }


def _diagnose(path: Path, text: Collection[str], error: Exception) -> str:
    """Why Arrow could not parse the file."""
    problem = _encoding_problem(path)
    if problem:
        return problem
    message = _first_line(error)
    if "mpty CSV" in message:
        return f"{path}: the file is empty; expected a line of column names and rows below it"
    try:
        _parse_csv(path, text, threads=False)  # only the serial parser knows the number of the row
    except pa.ArrowInvalid as again:
        message = _first_line(again)
    message = message.removeprefix("CSV parse error: ")
    if "conversion error" in message:
        return f"{path}: {message}, other than in the rows before; mend or empty that cell"
    if "columns, got" in message:
        return (
            f"{path}: a line has another number of cells than the line of names: {message}; "
            "mend that line, or put cells that contain commas in double quotes"
        )
    return f"{path}: is not a table of comma-separated values: {message}"


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
    if len(names) == 1 and table.num_rows:
        for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in names[0]:
                raise UserError(f"{path}: has one column, {names[0]!r}: separated by {word}? Save it with commas")
    return names


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
