"""Excel workbooks: the first sheet, or the one behind a #."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import UserError, did_you_mean
from ...extras import require
from ..columns import label_of
from ..dialect import MOST_ABOVE
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
        others: list[str] = []
        rows = list(_rows(path, self.file(path), others))
        places = [place for place, row in enumerate(rows) if _is_filled(row)]
        filled = [rows[place] for place in places]
        above = _above(filled)
        names, body = _names(filled[above : above + 1], path), filled[above + 1 :]
        if not body and len(others) > 1:
            raise UserError(f"{path}: sheet {others[0]!r} has no rows below its names; name another sheet, such as "
                            f"{path.name}{MARK}{others[1]}")  # fmt: skip
        notes = [f"sheet {others[0]!r} read; the others are {', '.join(map(repr, others[1:]))}"] if others[1:] else []
        notes += [f"{above} row{'s' * (above > 1)} above the column names skipped"] * (above > 0)
        blank = places[-1] + 1 - places[above] - len(body) - 1
        notes += [f"{blank:,} row{'s' * (blank > 1)} without any value left out"] * (blank > 0)
        chosen = [place for place, name in enumerate(names) if columns is None or name.strip() in columns]
        cells = [_column([row[place] if place < len(row) else None for row in body]) for place in chosen]
        if not cells:
            return pa.table({"row": pa.nulls(len(body))}).select([]), notes
        return pa.table(cells, names=[names[place] for place in chosen]), notes

    def names(self, path: Path) -> Sequence[str]:
        first = list(islice(filter(_is_filled, _rows(path, self.file(path), [])), MOST_ABOVE + 2))
        return _names(first[_above(first) :], path)


def _rows(path: Path, file: Path, sheets: list[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a sheet. Where none is named, ``sheets`` gets the names of all, the first of which is read.

    Raises:
        UserError: If the file is damaged or has no such sheet.
    """
    import openpyxl

    try:
        with file.open("rb") as opened:
            book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
            known = [sheet.title for sheet in book.worksheets]
            name = known[0] if path == file else path.name.rpartition(MARK)[2]
            if name not in known:
                raise UserError(f"{file}: there is no sheet {name!r}; {did_you_mean(name, known)}")
            sheets += known if path == file else []
            yield from book[name].iter_rows(values_only=True)
    except (zipfile.BadZipFile, LookupError, ValueError, TypeError, AttributeError, EOFError, SyntaxError,
            OSError) as error:  # fmt: skip
        raise UserError(f"{file}: the Excel workbook is damaged ({first_line(error)}); save it again") from error


def _is_filled(row: Sequence[Any]) -> bool:
    return any(cell is not None and (not isinstance(cell, str) or cell.strip()) for cell in row)


def _above(rows: Sequence[Sequence[Any]]) -> int:
    """Rows above the names: titles, of which one cell is filled, if there are several columns."""
    filled = [sum(cell is not None for cell in row) for row in rows[: MOST_ABOVE + 1]]
    return next((place for place, count in enumerate(filled) if count > 1), 0)


def _names(rows: Sequence[Sequence[Any]], path: Path) -> list[str]:
    """Of the first row; empty cells at its end are no columns."""
    if not rows:
        raise UserError(f"{path}: the sheet is empty; expected a row of column names and rows below it")
    cells = rows[0]
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
