"""An array of JSON objects in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from ...errors import UserError
from .json_lines import JsonLines, rows_of_lines


class JsonArray(JsonLines):
    """As :class:`~polytask.data.formats.json_lines.JsonLines`, of one array; an object per line is read, too."""

    endings: ClassVar[tuple[str, ...]] = (".json",)
    about = "an array of JSON objects, one per row"

    def rows(self, path: Path) -> list[dict[str, Any]]:
        """The objects of a file.

        Raises:
            UserError: If it is no array of objects.
        """
        try:
            text = path.read_text(encoding="utf-8-sig").strip()
            if text.startswith("{") and text.split("\n", 1)[0].rstrip().endswith("}"):
                rows = rows_of_lines(path)
                by_column = len(rows) == 1 and all(isinstance(cell, dict | list) for cell in rows[0].values())
                found: Any = rows[0] if by_column else rows
            else:
                found = json.loads(text)
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: is no JSON ({error}); write or copy it again") from None
        _check_rows(found, path)
        return list(found)


def _check_rows(found: Any, path: Path) -> None:
    expected = f'{path}: expected an array of objects, such as [{{"age": 31}}, {{"age": 42}}]'
    if not isinstance(found, list):
        raise UserError(f'{expected}, found {type(found).__name__}; pandas writes one with to_json(orient="records")')
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise UserError(f"{expected}, found that item {number} is {type(row).__name__}; correct or remove it")
    if not found:
        raise UserError(f"{path}: holds no row; at least one is needed")


FORMAT = JsonArray()
