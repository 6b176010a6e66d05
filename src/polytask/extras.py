"""Packages beyond the core ones, asked for when they are needed."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import UserError


def require(extra: str, *packages: str, needed_by: str) -> None:
    """Raise a :class:`UserError` with the command that installs what is missing.

    Args:
        extra: The project's extra that holds the packages.
        packages: Names they are imported by.
        needed_by: What needs them, for the message.

    Example:
        >>> require("onnx", "json", needed_by="this example")
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UserError(
            f"{needed_by} needs {', '.join(missing)}, not installed here; install with: pip install 'polytask[{extra}]'"
        )
