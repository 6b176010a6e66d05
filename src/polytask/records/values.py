"""Objects and numbers in the JSON files of a run."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import read_json


def number(value: Any) -> float | None:
    """``value`` as a finite number, or None, which is null: where it is undefined, or a file holds anything else.

    Example:
        >>> number(1), number(None), number(float("nan")), number(True), number("1")
        (1.0, None, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):  # of an integer with hundreds of digits
        return float(value) if math.isfinite(value) else None
    return None


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UserError: If the file is missing or damaged.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value
