"""Settings that must be numbers."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from numbers import Integral, Real
from typing import Any


def number_problems(
    numbers: Iterable[tuple[str, Any]],
    least: float = 0,
    most: float = inf,
    *,
    more: bool = False,
    whole: bool = False,
) -> list[str]:
    """One sentence per setting that is not a number from ``least`` to ``most``; None is left out.

    Args:
        numbers: Names and values.
        least: The least value.
        most: The largest.
        more: The value must be more than that.
        whole: It must be a whole number.

    Example:
        >>> number_problems([("taps", 2.5), ("every", 3), ("components", None)], 1, whole=True)
        ['taps must be a whole number of at least 1, found 2.5']
        >>> number_problems([("temperature", "hot")], more=True)
        ["temperature must be more than 0, found 'hot'"]
    """
    expected = f"{'a whole number of ' * whole}{'more than' if more else 'at least'} {least:g}"
    expected += "" if most == inf else f" and at most {most:g}"

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
            return False
        number = float(value)
        return (number > least if more else number >= least) and number <= most

    return [
        f"{name} must be {expected}, found {value!r}"
        for name, value in numbers
        if value is not None and not fits(value)
    ]
