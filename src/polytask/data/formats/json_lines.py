"""A JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from ...errors import UserError
from ..format import Format


class JsonLines(Format):
    """An object per line, whose keys are columns: numbers, truth values, text, or lists of words. A key may be absent.

    A column of several types is text, read as cells of CSV are.
    """

    endings: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    about = "a JSON object per line; a key that is absent or null is a missing cell"

    def read(self, path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, list[str]]:
        rows = self.rows(path)
        names = dict.fromkeys(name for row in rows for name in row)
        chosen = [name for name in names if columns is None or name.strip() in columns]
        try:
            cells = {name: _column([row.get(name) for row in rows], f"{path}: column {name!r}") for name in chosen}
            return pa.table(cells) if cells else _of_length(len(rows)), []
        except UnicodeEncodeError as error:
            half = error.object[error.start : error.end].encode("unicode_escape").decode()
            raise UserError(f"{path}: {half} is half a character (a surrogate alone); correct that text") from None

    def names(self, path: Path) -> Sequence[str]:
        return list(dict.fromkeys(name for row in self.rows(path) for name in row))

    def rows(self, path: Path) -> list[dict[str, Any]]:
        """The objects of a file.

        Raises:
            UserError: It names the first line that is none.
        """
        return rows_of_lines(path)


def rows_of_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file, one in every line that is not blank.

    Raises:
        UserError: It names the first line that is none.
    """
    rows: list[dict[str, Any]] = []
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                number += 1
                if line.strip():
                    rows.append(json.loads(line))
                    if not isinstance(rows[-1], dict):
                        raise ValueError(f"expected an object, found {type(rows[-1]).__name__}")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 after line {number}; save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: line {number} is no JSON object ({error}); expected one per line, such as "
            '{"age": 31, "city": "Bern"}'
        ) from None
    if not rows:
        raise UserError(f"{path}: holds no row; at least one is needed")
    return rows


def _column(values: list[Any], at: str) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if dict in kinds:
        raise UserError(f"{at}: holds objects; write their parts as separate keys")
    if kinds <= {int, float} and all(abs(value) < 2**63 for value in values if type(value) is int):
        return pa.array([None if value is None else float(value) for value in values] if float in kinds else values)
    if kinds == {list}:
        return pa.array([None if value is None else [_word(word) for word in value] for value in values])
    if kinds <= {bool} or kinds == {str}:
        return pa.array(values)
    return pa.array([None if value is None else _word(value) for value in values], pa.string())


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of_length(rows: int) -> pa.Table:
    """Rows without columns."""
    return pa.table({"row": pa.nulls(rows)}).select([])


FORMAT = JsonLines()
