"""The names of the kinds of targets, without importing one of them or PyTorch."""

from __future__ import annotations

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal

_FOLDER = Path(__file__).parent / "kinds"


def _modules(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(found.name for found in pkgutil.iter_modules([str(folder)]) if not found.ispkg))


#: Kinds that a column of a table can have; each is the file of that name in ``task/kinds``.
TABLE_KINDS = _modules(_FOLDER)
#: Kinds whose targets only arrays hold; each is the file of that name in ``task/kinds/arrays``.
ARRAY_KINDS = _modules(_FOLDER / "arrays")

if TYPE_CHECKING:
    TableKind = str
else:
    #: One of ``TABLE_KINDS``, for schemas.
    TableKind = Literal[TABLE_KINDS]
