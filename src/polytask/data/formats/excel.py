"""Excel workbooks: the first sheet, or the one behind a #."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import UserError, did_you_mean
from ...extras import require
from ..columns import label_of
from ..format import Format, first_line

#: Between the file and the name of a sheet.
MARK = "#"


class Excel(Format):
    """Workbooks; names are in the first row that is not empty, and cells have types.

    A column of several types is text, read as cells of CSV are; the result of a formula is the one that Excel stored.
    """

    endings = (".xlsx", ".xlsm")
    about = "Excel: the first sheet, or `FILE.xlsx#SHEET`; extra `excel`"
    magic = b"PK\x03\x04"
    called = "an Excel workbook"

    def file(self, path: Path) -> Path:
        file, mark, _ = path.name.rpartition(MARK)
        return path.with_name(file) if mark and file.lower().endswith(self.endings) else path

    def check(self, path: Path) -> None:
        require("excel", "openpyxl", needed_by=str(path))

    def read(self, path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        rows = _rows(path, self.file(path))
        names = _names(next(rows, ()), path)
        body = list(rows)
        chosen = [place for place, name in enumerate(names) if columns is None or name.strip() in columns]
        cells = [_column([row[place] if place < len(row) else None for row in body]) for place in chosen]
        if not cells:
            return pa.table({"row": pa.nulls(len(body))}).select([]), []
        return pa.table(cells, names=[names[place] for place in chosen]), []

    def names(self, path: Path) -> Sequence[str]:
        return _names(next(_rows(path, self.file(path)), ()), path)


def _rows(path: Path, file: Path) -> Iterator[tuple[Any, ...]]:
    """The rows of a sheet that are not empty.

    Raises:
        UserError: If the file is damaged or has no such sheet.
    """
    import openpyxl

    try:
        with file.open("rb") as opened:
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
            sheets = [sheet.title for sheet in book.worksheets]
            name = sheets[0] if path == file else path.name.rpartition(MARK)[2]
            if name not in sheets:
                raise UserError(f"{file}: there is no sheet {name!r}; {did_you_mean(name, sheets)}")
            for row in book[name].iter_rows(values_only=True):
                if any(cell is not None and (not isinstance(cell, str) or cell.strip()) for cell in row):
                    yield row
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, SyntaxError, OSError) as error:
        raise UserError(f"{file}: the Excel workbook is damaged ({first_line(error)}); save it again") from error


def _names(cells: Sequence[Any], path: Path) -> list[str]:
    """Of the first row; empty cells at its end are no columns."""
    if not cells:
        raise UserError(f"{path}: the sheet is empty; expected a row of column names and rows below it")
    last = max(place for place, cell in enumerate(cells) if cell is not None)
    return ["" if cell is None else _word(cell) for cell in cells[: last + 1]]


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values] if float in kinds else values)
    if kinds <= {datetime.datetime, datetime.date}:
        return pa.array([None if value is None else _moment(value) for value in values], pa.timestamp("us"))
    if len(kinds) == 1 and kinds <= {str, bool, datetime.time, datetime.timedelta}:
        return pa.array(values)
    return pa.array([None if value is None else _word(value) for value in values], pa.string())


def _moment(value: datetime.date) -> datetime.datetime:
    return value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time())


def _word(value: Any) -> str:
    """A cell as text."""
    if isinstance(value, bool | str):
        return str(value)
    return label_of(value) if isinstance(value, int | float) else str(value)


FORMAT = Excel()
