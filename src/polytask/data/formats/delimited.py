"""Text with a separator: CSV and TSV, also compressed."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.csv

from ...errors import UserError, used_up
from ..dialect import UTF16, Dialect, detect, opened
from ..format import Format, first_line, wanted

T = TypeVar("T")
#: Bytes that Arrow parses at a time; a row has to fit, so that more are tried where one does not.
_BLOCK, _MOST_BLOCK = 1 << 20, 1 << 30


class Delimited(Format):
    """Text separated by commas, semicolons, tabs or bars (found out), names in the first line; all cells are text."""

    endings = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
    about = "text; the separator is detected"
    writes = True

    def check(self, path: Path) -> None:
        if path.name.lower().endswith(".gz"):
            return
        with path.open("rb") as file:
            start = file.read(1024)
        if b"\0" in start and not start.startswith(UTF16):
            raise UserError(
                f"{path}: holds binary data; expected a table as text, or a name ending in .csv.gz or .parquet"
            )

    def read(self, path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        dialect = _dialect(path)
        return _read_csv(path, dialect, columns), dialect.describe()

    def names(self, path: Path) -> Sequence[str]:
        dialect = _dialect(path)
        with _csv_errors(path, dialect):
            return dialect.columns or _in_blocks(lambda block: _begin_csv(path, dialect, block)).schema.names

    def pieces(self, path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        yield from _csv_pieces(path, rows, columns)

    def is_small(self, path: Path, rows: int, size: int) -> bool:
        if not path.name.lower().endswith(".gz"):
            return super().is_small(path, rows, size)
        with contextlib.suppress(EOFError, OSError, zlib.error), gzip.open(path) as stream:
            return len(stream.read(size + 1)) <= size  # two megabytes can decode to gigabytes
        return True  # reading it states what is wrong with it

    @contextlib.contextmanager
    def writer(self, path: Path, schema: pa.Schema, name: str) -> Iterator[Any]:
        options = pa.csv.WriteOptions(delimiter="\t" if name.lower().removesuffix(".gz").endswith(".tsv") else ",")
        packed = "gzip" if name.lower().endswith(".gz") else None
        with (
            pa.output_stream(str(path), packed) as file,
            pa.csv.CSVWriter(file, schema, write_options=options) as found,
        ):
            yield found


def _csv_pieces(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    dialect = _dialect(path)
    with _csv_errors(path, dialect):
        reader = _open_csv(path, dialect, columns)
        waiting: list[pa.RecordBatch] = []
        empty = True
        for batch in reader:
            waiting.append(batch)
            if (ready := sum(len(part) for part in waiting) - dialect.blank) >= rows:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, ready)
                waiting, empty = table.slice(ready).to_batches(), False
        table = pa.Table.from_batches(waiting, reader.schema)
        if (ready := max(0, table.num_rows - dialect.blank)) or empty:
            yield table.slice(0, ready)


def _dialect(path: Path) -> Dialect:
    with _gzip_errors(path):
        dialect = detect(path)
    if dialect.unclosed:
        raise UserError(f"{path}: a quote in line {dialect.unclosed} is never closed: all lines below it would be one "
                        "cell; close or remove it")  # fmt: skip
    return dialect


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
    table = table.slice(0, max(0, table.num_rows - dialect.blank))
    return table.select([]) if columns is not None and not wanted(names, columns) else table


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
        "read_options": pa.csv.ReadOptions(use_threads=threads, block_size=block, encoding=dialect.encoding, **reading),
        "parse_options": pa.csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True),
        "convert_options": pa.csv.ConvertOptions(
            null_values=[],
            strings_can_be_null=False,
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=wanted(names, columns),
        ),
    }


@contextlib.contextmanager
def _gzip_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        if used_up(error):
            raise
        raise UserError(f"{path}: the gzip file is damaged ({first_line(error)}); write or copy it again") from error


@contextlib.contextmanager
def _csv_errors(path: Path, dialect: Dialect) -> Iterator[None]:
    with _gzip_errors(path):
        try:
            yield
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise UserError(_diagnose(path, dialect, error)) from error


def _diagnose(path: Path, dialect: Dialect, error: Exception) -> str:
    """Why Arrow could not parse the file."""
    problem = encoding_problem(path)
    if problem:
        return problem
    message = first_line(error)
    if "mpty CSV" in message:
        if path.read_bytes().strip() and not path.name.lower().endswith(".gz"):
            return f"{path}: the table has column names but no rows; at least one row is needed"
        return f"{path}: the file is empty; expected a line of column names and rows below it"
    try:
        _in_blocks(lambda block: _parse_csv(path, dialect, None, block, threads=False))  # only it numbers the rows
    except (pa.ArrowInvalid, UnicodeDecodeError) as again:
        message = first_line(again)
    message = message.removeprefix("CSV parse error: ")
    if "columns, got" in message:
        return (
            f"{path}: a line has a different number of cells than the header: {message}; "
            "correct that line, or put cells that contain the separator in double quotes"
        )
    return f"{path}: is not a table of cells with a separator: {message}"


def encoding_problem(path: Path) -> str | None:
    """A message with the position of the first bytes that are not UTF-8, or None."""
    seen = 0
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith(UTF16):
                return None
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return (
                    f"{path}: is neither UTF-8 throughout nor Windows-1252: byte {seen + error.start + 1} "
                    f"(line {number}) is 0x{line[error.start]:02x}. Save it as UTF-8 (iconv -f ENCODING -t UTF-8)"
                )
            seen += len(line)
    return None


FORMAT = Delimited()
