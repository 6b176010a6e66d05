"""Collecting the problems of several columns, to show them together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UserError


@contextmanager
def collected(problems: list[str]) -> Iterator[None]:
    """Add the problems of a :class:`UserError` in the block to ``problems`` and continue after the block.

    Example:
        >>> problems = []
        >>> with collected(problems):
        ...     raise UserError("column 'a' is empty")
        >>> problems
        ["column 'a' is empty"]
    """
    try:
        yield
    except UserError as error:
        problems.extend(error.problems)
