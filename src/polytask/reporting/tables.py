"""Tables as CSV and Markdown files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import write_bytes

#: A header and rows.
Table = tuple[list[str], list[list[Any]]]


def write_table(path: Path, table: Table) -> None:
    """``path.csv`` and ``path.md``; the path has no ending."""
    write_bytes(path.with_name(f"{path.name}.csv"), as_csv(*table).encode())
    write_bytes(path.with_name(f"{path.name}.md"), as_markdown(*table).encode())


def as_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """CSV text; undefined numbers are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers with four significant digits, undefined ones as a dash.

    Example:
        >>> print(as_markdown(["method", "mean"], [["a|b", 0.123456], ["c", None]]))
        | method | mean |
        |---|---:|
        | a\\|b | 0.1235 |
        | c | – |
        <BLANKLINE>
    """
    numeric = [any(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]
    lines = [header, *([_shown(cell) for cell in row] for row in rows)]
    ruled = ["|".join(["", *("---:" if number else "---" for number in numeric), ""])]
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], *ruled, *written[1:], ""])


def _shown(cell: Any) -> str:
    if cell is None:
        return "\N{EN DASH}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 1e4 else f"{cell:.4g}"
    return str(cell).replace("|", "\\|")
