"""What all sections of configurations have in common, and what is wrong with their values, in sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from ..errors import UserError, did_you_mean
from ..ranges import Range, refuse_absurd, word_problem
from .key import keys_of, subsections


class Section(BaseModel):
    """Unknown keys are errors, and so are numbers that are not finite or far too large.

    Attributes:
        title: What the help and the page of keys call it.
        section: The section of a file that its keys stand in.
    """

    title: ClassVar[str] = ""
    section: ClassVar[str] = ""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @field_validator("*")
    @classmethod
    def _no_absurd_numbers(cls, value: Any, field: ValidationInfo) -> Any:
        metadata = cls.model_fields[field.field_name or ""].metadata
        return value if any(isinstance(limit, Range) for limit in metadata) else refuse_absurd(value)


class Settings(Section):
    """A section that is also made in Python: mistakes are a :class:`~polytask.UserError`."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]} & values.keys()
            others = {name: value for name, value in values.items() if name not in wrong}
            beside = problems_of(lambda: type(self)(**others)) if wrong else []  # what they say of each other
            problems = explained(error, type(self), values)
            raise UserError(*problems, *(problem for problem in beside if "is missing" not in problem)) from None


def explained(error: ValidationError, section: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    """What pydantic has found, in sentences that name the key, what is expected and what is found."""
    details = [(_path(detail["loc"]), detail) for detail in error.errors()]
    numbers = {path for path, detail in details if detail["type"] == "out_of_range"}
    found: dict[str, list[str]] = {}
    for path, detail in details:
        exact = path in numbers and detail["type"] != "out_of_range"
        if not exact and not any(number.startswith(f"{path}.") for number in numbers if path):
            found.setdefault(path or str(len(found)), list(_explain(detail, section, values)))
        # else it is another type of a union, beside the number that is out of its range
    return list(dict.fromkeys(problem for problems in found.values() for problem in problems))


#: What pydantic puts into a path for the types of a union.
_TYPES = re.compile(r"(int|str|float|bool|[A-Z]\w+|(tuple|dict|list|literal|function-\w+|lax\S*|json\S*)\b.*[\])])$")


def _path(loc: Sequence[str | int]) -> str:
    """Where a mistake is, as users call it."""
    return ".".join(str(part) for place, part in enumerate(loc) if place == 0 or not _TYPES.match(str(part)))


def _explain(detail: Any, section: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    path = _path(detail["loc"])
    keys, top, kind = path.split("."), path.partition(".")[0], detail["type"]
    expected = {**getattr(section, "EXPECTED", {})}
    if kind == "value_error":  # our own checks of keys against each other
        error = detail["ctx"]["error"]
        yield from error.problems if isinstance(error, UserError) else [f"{path}: {error}" if path else str(error)]
    elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
        said = getattr(section, "unknown_key", None) if len(detail["loc"]) == 1 else None
        yield said(path) if said else f"unknown key {path!r}; {did_you_mean(keys[-1], known_keys(section, keys[:-1]))}"
    elif kind == "out_of_range":
        yield detail["ctx"]["range"].problem(path, detail["input"])
    elif top in expected and kind != "range":
        yield f"{top}: expected {expected[top]}, found {values[top]!r}"
    elif kind == "missing":
        meaning = meaning_of(section, keys) or "give it"
        yield f"key {path!r} is missing; {meaning[0].lower()}{meaning[1:].rstrip('.')}"
    elif kind == "literal_error":
        yield word_problem(path, detail["input"], re.findall(r"'([^']*)'", detail["ctx"]["expected"]))
    else:
        yield f"{path}: {_sentence(detail)}, found {detail['input']!r}"


#: What pydantic states about numbers, as :class:`~polytask.ranges.Range` states it.
_SAID = {
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "finite_number": "must be finite",
}


def _sentence(detail: Any) -> str:
    if detail["type"] in _SAID:
        return _SAID[detail["type"]].format(**detail.get("ctx", {}))
    return str(detail["msg"][0].lower() + detail["msg"][1:])


def _section_at(section: type[Any], path: Sequence[str]) -> type[Any]:
    """The section at a dotted path, which may be one of a list."""
    for part in path:
        fields = getattr(section, "model_fields", None) or getattr(section, "__dataclass_fields__", {})
        names = {getattr(field, "alias", None) or name: name for name, field in fields.items()}
        if part in names:
            section = next(subsections(get_type_hints(section)[names[part]]), section)
    return section


def known_keys(section: type[Any], path: Sequence[str] = ()) -> list[str]:
    """The keys of a section, or of the one at a dotted path in it, as users call them."""
    found = _section_at(section, path)
    if hasattr(found, "model_fields"):
        return [field.alias or name for name, field in found.model_fields.items()]
    return list(keys_of(found))


def meaning_of(section: type[Any], path: Sequence[str]) -> str:
    """What a key means; empty if it has none."""
    found = _section_at(section, path[:-1])
    if path[-1] in (keys := keys_of(found)):
        return keys[path[-1]].meaning
    field = getattr(found, "model_fields", {}).get(path[-1])
    return (field.description if field else None) or ""


def problems_of(make: Callable[[], object]) -> list[str]:
    """What a mistake of the user's in ``make`` states; empty if there is none.

    Example:
        >>> problems_of(lambda: Settings(stepps=3))
        ["unknown key 'stepps'; known: "]
    """
    try:
        make()
    except UserError as error:
        return list(error.problems)
    return []
