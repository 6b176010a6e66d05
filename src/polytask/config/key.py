"""What there is to know of a configuration key, written once at its definition.

A key is a field of a section: ``steps: Annotated[int | None, Range(1, whole=True), Key("most steps")] = None``. Its
type and range are checked when a section is made; everything else is read from the :class:`Key`: the options of the
command line, the page of all keys, and which keys resume, caches, teachers and added tasks leave aside.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class Decides(Enum):
    """What a key decides of a run."""

    #: Its numbers.
    NUMBERS = "the numbers of a run"
    #: How and where they are computed: they are the same up to rounding.
    ROUNDING = "where and how it is computed: the same numbers up to rounding"
    #: Where a file lies; its content counts.
    PLACE = "where a file is; its content decides the numbers"
    #: Nothing of the numbers.
    NOTHING = "nothing of the numbers"


@dataclass(frozen=True)
class Option:
    """How a key is given on the command line.

    Attributes:
        kind: Type of the option's value; a list for an option that may be repeated.
        metavar: What the help calls the value.
        help: Short; the key's meaning by default.
        parse: From the value and the name of the option to the key's value.
        name: Of the option, where it is not the key's.
        commands: That have it.
    """

    kind: Any = str
    metavar: str = "TEXT"
    help: str = ""
    parse: Callable[[Any, str], Any] | None = None
    name: str = ""
    commands: tuple[str, ...] = ("fit",)


#: Commands that train from a table.
TRAIN = ("fit", "affinity")


@dataclass(frozen=True)
class Key:
    """What there is to know of a key beside its type, range and default.

    Attributes:
        meaning: One sentence.
        option: How it is given on the command line; None: only by ``--set``, or in a file.
        needs: The values of other keys with which it has an effect; elsewhere it is refused.
        decides: What of a run.
        of_tables: It speaks of the columns of a table.
        of_first_run: With ``from`` the finished run has decided it.
        inside: Its name in the section of a file, where it is not that of the key; empty: it is the section itself.
    """

    meaning: str
    option: Option | None = None
    needs: Mapping[str, tuple[Any, ...]] = dataclasses.field(default_factory=dict)
    decides: Decides = Decides.NUMBERS
    of_tables: bool = False
    of_first_run: bool = False
    inside: str | None = None


def deciding(section: type[Any], *what: Decides) -> set[str]:
    """Names, as users write them, of the keys of a section that decide one of these."""
    fields = getattr(section, "model_fields", {})
    names = [name for name, key in keys_of(section).items() if key.decides in what]
    return {getattr(fields.get(name), "alias", None) or name for name in names}


def keys_of(section: type[Any]) -> dict[str, Key]:
    """The keys of a section by name, in the order of their definition."""
    return _keys_of(section)  # type: ignore[arg-type]  # classes are hashable


@lru_cache
def _keys_of(section: Any) -> dict[str, Key]:
    hints = get_type_hints(section, include_extras=True)
    found = {name: next(_keys_in(hint), None) for name, hint in hints.items()}
    described = {name: Key(field.description) for name, field in getattr(section, "model_fields", {}).items()
                 if field.description}  # fmt: skip
    return described | {name: key for name, key in found.items() if key is not None}


def _keys_in(hint: Any) -> Iterator[Key]:
    yield from (extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Key))


def documented(section: type[T]) -> type[T]:
    """A section whose docstring states what its keys mean."""
    doc = inspect.cleandoc(section.__doc__ or "")
    keys = "\n".join(f"    {name}: {key.meaning}" for name, key in keys_of(section).items())
    places = [place for mark in ("Raises:", "Example:") if (place := doc.find(f"\n\n{mark}")) >= 0]
    place = min(places, default=len(doc))
    section.__doc__ = f"{doc[:place]}\n\nArgs:\n{keys}{doc[place:]}\n"
    return section


def default_of(section: type[Any], name: str) -> Any:
    """The default of a key; :data:`dataclasses.MISSING` if it must be given."""
    if dataclasses.is_dataclass(section):
        field = next(field for field in dataclasses.fields(section) if field.name == name)
        return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    field = section.model_fields[name]
    return dataclasses.MISSING if field.is_required() else field.get_default(call_default_factory=True)


def is_given(section: Any, name: str) -> bool:
    """Whether a key has another value than its default."""
    return bool(getattr(section, name) != default_of(type(section), name))


def without_effect(section: Any) -> Iterator[str]:
    """A sentence for every key that is given where it has no effect."""
    for name, key in keys_of(type(section)).items():
        for other, values in key.needs.items():
            if is_given(section, name) and (found := getattr(section, other)) not in values:
                expected = " or ".join(map(str, values))
                yield f"{name}: has an effect only with {other}: {expected}, found {found!r}; leave it out"


def subsections(hint: Any) -> Iterator[type[Any]]:
    """The sections among the types that an annotation allows."""
    if isinstance(hint, type) and get_origin(hint) is None and (
        dataclasses.is_dataclass(hint) or hasattr(hint, "model_fields")
    ):  # fmt: skip
        yield hint
    for part in get_args(hint):
        yield from subsections(part)
