"""Docstrings as the reference shows them: examples as code, and Sphinx's roles as plain names."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`~?([^`]+)`")


def readable(text: str) -> str:
    """The text with names instead of roles, and with examples in a section of their own.

    Example:
        >>> readable("See :class:`~polytask.Task`.")
        'See `polytask.Task`.'
    """
    text = ROLE.sub(r"`\1`", text).replace("``", "`")
    return re.sub(r"(?m)^Example:$", "Examples:", text)


class Docstrings(Extension):
    """Applies :func:`readable` to every docstring."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if not obj.is_alias and obj.docstring:
            if obj.is_class and obj.path.startswith("polytask.config."):  # with its keys
                found = getattr(importlib.import_module(obj.module.path), obj.name)
                obj.docstring.value = inspect.getdoc(found) or ""
            obj.docstring.value = readable(obj.docstring.value)
