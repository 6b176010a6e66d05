"""What every page is made with: templates, and the style that they include."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ..display.text import printable

_HERE = Path(__file__).parent


@cache  # which compiles every template once
def environment(*folders: Path) -> Environment:
    """Templates of a page in one of the ``folders`` or beside this module; what comes from files is made printable."""
    found = Environment(
        loader=FileSystemLoader([*folders, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.finalize = _finalize
    found.filters["breakable"] = breakable
    return found


def style() -> str:
    """The style of all pages and figures."""
    return (_HERE / "page.css").read_text(encoding="utf-8")


def breakable(name: str) -> Markup:
    """A name with positions where a long one may break: names of columns have no spaces.

    Example:
        >>> print(breakable("a_long&name"))
        a_<wbr>long&amp;name
    """
    return Markup(re.sub(r"([_./-])(?=\w)", r"\1<wbr>", str(escape(printable(name)))))


def _finalize(value: Any) -> Any:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
