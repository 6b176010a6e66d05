"""Settings that must be numbers, and settings that would do nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import signature
from typing import Any

from ...ranges import LARGEST, Range


def number_problems(
    numbers: Iterable[tuple[str, Any]],
    least: float = 0,
    most: float = LARGEST,
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
    allowed = Range(least, most, more=more, whole=whole)
    return [allowed.problem(name, value) for name, value in numbers if value is not None and value not in allowed]


def unused_problems(method: type, settings: Mapping[str, Any], needed: str) -> list[str]:
    """One sentence per setting that is not its default though nothing would read it.

    Args:
        method: The class whose ``__init__`` has the defaults.
        settings: Names and values.
        needed: What would read them, which is off.

    Example:
        >>> class Method:
        ...     def __init__(self, schedule="linear", rho=0.5): ...
        >>> unused_problems(Method, {"rho": 0.3}, "schedule 'decay'")
        ["rho is read with schedule 'decay' only; leave it out"]
    """
    defaults = signature(method).parameters
    return [f"{name} is read with {needed} only; leave it out" for name, value in settings.items()
            if value != defaults[name].default]  # fmt: skip
