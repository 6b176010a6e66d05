"""The formats of tables: every module here is one, its ``FORMAT``."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from ..format import Format

FORMATS: dict[str, Format] = {
    name: import_module(f"{__name__}.{name}").FORMAT
    for name in sorted(found.name for found in pkgutil.iter_modules(__path__))
}
#: How names of tables end.
ENDINGS = tuple(ending for one in FORMATS.values() for ending in one.endings)


def format_of(path: Path) -> Format | None:
    """The format of a path by its name; None if there is none."""
    return next((one for one in FORMATS.values() if one.accepts(path)), None)


def file_of(path: Path) -> Path:
    """The file or folder in which a table lies."""
    found = format_of(path)
    return path if found is None else found.file(path)


def files_of(path: Path) -> list[Path]:
    """All files that a table is made of."""
    found = format_of(path)
    return [path] if found is None else found.files(path)
