"""The configuration keys as keyword arguments: for type checkers (``settings.py``, written from here) and notebooks.

``python -m polytask.config.keywords > src/polytask/config/settings.py && ruff format src`` after a key has been added.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from .config import Config
from .key import keys_of
from .layout import SECTIONS

HEAD = '''"""Keyword arguments of `polytask.TablePredictor`; written by `python -m polytask.config.keywords`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

#: Every configuration key, see docs/configuration.md.
Settings = TypedDict(
    "Settings",
    {
'''
TAIL = """    },
    total=False,
)
"""
#: Given by position, or by `fit`.
LEFT_OUT = ("data", "targets")
Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


def keys() -> Iterator[tuple[str, Any]]:
    """Name of every key that is a keyword argument, and its annotation."""
    for section in SECTIONS:
        for name in keys_of(section):
            field = Config.model_fields[name]
            if name not in LEFT_OUT:
                yield field.alias or name, field.annotation


def settings_module() -> str:
    """The text of ``settings.py``."""
    lines = [f'        "{name}": {" | ".join(dict.fromkeys(_types(hint)))},\n' for name, hint in keys()]
    return HEAD + "".join(lines) + TAIL


def with_keys(function: Wrapped) -> Wrapped:
    """Give a function with ``**settings`` a signature that names every key, which notebooks complete."""
    own = list(inspect.signature(function).parameters.values())
    kind = inspect.Parameter.KEYWORD_ONLY
    named = [
        inspect.Parameter(name, kind, default=None) for name, _ in keys() if name.isidentifier() and name != "from"
    ]
    function.__signature__ = inspect.Signature([*own[:-1], *named, own[-1]])  # type: ignore[attr-defined]
    return function


def _types(hint: Any) -> Iterator[str]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _types(parts[0])
    elif origin in (Union, types.UnionType):
        for part in parts:
            yield from _types(part)
    elif origin is Literal:
        yield f"Literal[{', '.join(map(_quoted, parts))}]"
    elif origin is tuple:
        yield "Sequence[Any]"
    elif origin is dict or hint is dict or hasattr(hint, "model_fields") or hasattr(hint, "__dataclass_fields__"):
        yield "Mapping[str, Any]"
    else:
        yield "None" if hint is type(None) else hint.__name__


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    print(settings_module(), end="")
