"""Small tables for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .text import printable


def cell(text: str, style: str = "") -> str:
    """A cell of a table; its text is escaped."""
    styled = f' style="{style}"' if style else ""
    return f"<td{styled}>{escape(printable(text))}</td>"


def table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], caption: str = "") -> str:
    """A table whose rows begin with a name.

    Args:
        head: Names of the columns, that of the names first.
        rows: Name of each row, and its cells from :func:`cell`.
        caption: What it shows.

    Example:
        >>> table(["task"], [("a<b", [])])[-59:]
        '<tbody><tr><th scope="row">a&lt;b</th></tr></tbody></table>'
    """
    said = f"<caption>{escape(printable(caption))}</caption>" if caption else ""
    heads = "".join(f'<th scope="col">{escape(printable(name))}</th>' for name in head)
    lines = "".join(f'<tr><th scope="row">{escape(printable(name))}</th>{"".join(cells)}</tr>' for name, cells in rows)
    return f"<table>{said}<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
