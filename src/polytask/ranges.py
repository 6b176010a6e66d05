"""Numbers and their ranges: written once, at an option's definition, and refused in one voice."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic_core import CoreSchema, PydanticCustomError, ValidationError, core_schema

from .errors import did_you_mean

#: No size, count or rate above this is meant.
LARGEST = 1e12


@dataclass(frozen=True)
class Range:
    """Finite numbers that an option takes; for ``Annotated[int, Range(1, whole=True)]``.

    Attributes:
        least: The least of them.
        most: The largest.
        more: They must be more than ``least``.
        less: They must be less than ``most``.
        whole: They must be whole.
        infinite: Infinity is one of them.
        because: Why others are of no use, for the message.

    Example:
        >>> print(Range(1, whole=True)), print(Range(0, 1, more=True, less=True))
        a whole number of at least 1
        more than 0 and less than 1
        (None, None)
        >>> 3 in Range(1), float("nan") in Range(0), "fast" in Range(0), True in Range(0)
        (True, False, False, False)
    """

    least: float = 0
    most: float = LARGEST
    more: bool = False
    less: bool = False
    whole: bool = False
    infinite: bool = False
    because: str = ""

    def __str__(self) -> str:
        text = f"{'a whole number of ' * self.whole}{'more than' if self.more else 'at least'} {self.least:g}"
        if self.most < LARGEST:
            return f"{text} and {'less than' if self.less else 'at most'} {self.most:g}"
        return text if self.whole or self.infinite else f"{text} and finite"

    def __contains__(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        value = int(value) if isinstance(value, Integral) else float(value)
        if value == math.inf:
            return self.infinite
        above = value > self.least if self.more else value >= self.least
        return bool(above and (value < self.most if self.less else value <= self.most))

    def problem(self, name: str, value: Any) -> str:
        """Problems with a value, as a sentence.

        Example:
            >>> Range(more=True).problem("learning_rate", "fast")
            "learning_rate must be more than 0, found 'fast'"
            >>> Range(more=True).problem("learning_rate", float("inf"))
            'learning_rate must be more than 0 and finite, found inf'
            >>> Range(1, whole=True).problem("steps", 10**20)
            'steps must be a whole number of at least 1 and at most 1e+12, found 100000000000000000000'
        """
        expected = str(self)
        if not isinstance(value, int | float):
            expected = expected.removesuffix(" and finite")
        elif LARGEST <= self.most < value < math.inf:
            expected += f" and at most {LARGEST:g}"
        return f"{name} must be {expected}{f' ({self.because})' * bool(self.because)}, found {value!r}"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """The same for pydantic: ``Annotated[int, Range(1)]`` refuses what is out of the range, in the same voice."""

        def check(value: Any, inner: Any) -> Any:
            try:
                found = None if isinstance(value, bool) else inner(value)
            except ValidationError:
                found = value
            if value is not None and found not in self:
                raise PydanticCustomError("out_of_range", "is out of its range", {"range": self})
            return found

        return core_schema.no_info_wrap_validator_function(check, handler(source))


def refuse_absurd(value: Any) -> Any:
    """``value``, if no number in it is infinite or beyond :data:`LARGEST`; a validator for pydantic.

    Raises:
        PydanticCustomError: Otherwise.

    Example:
        >>> refuse_absurd({"a": [1.0, 2]})
        {'a': [1.0, 2]}
    """
    if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:  # NaN, too
        raise PydanticCustomError("range", f"must be finite and at most {LARGEST:g}")
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            refuse_absurd(part)
    return value


def ranges_of(settings: type[object]) -> dict[str, Range]:
    """The range of every field of a class that has one."""
    hints = get_type_hints(settings, include_extras=True).items()
    found = {name: next((part for part in _limits(hint) if isinstance(part, Range)), None) for name, hint in hints}
    return {name: allowed for name, allowed in found.items() if allowed is not None}


def _limits(hint: Any) -> Iterator[Range | tuple[Any, ...] | type]:
    """What an annotation states about the values that it allows: ranges, words, types."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Range):
            yield extra
    if get_origin(hint) in (Annotated, Union, UnionType):
        for part in get_args(hint)[: 1 if get_origin(hint) is Annotated else None]:
            yield from _limits(part)
    else:
        yield get_args(hint) if get_origin(hint) is Literal else hint


def word_problem(name: str, value: Any, words: Sequence[str]) -> str:
    """Problems with a value that is none of some words, as a sentence.

    Example:
        >>> word_problem("optimizer", "adma", ("adam", "sgd"))
        "optimizer must be one of adam, sgd, found 'adma'; did you mean 'adam'?"
    """
    hint = did_you_mean(value, words) if isinstance(value, str) else ""
    hint = f"; {hint}" if hint.startswith("did") else ""
    return f"{name} must be one of {', '.join(map(str, words))}, found {value!r}{hint}"


def range_problems(settings: object) -> list[str]:
    """One sentence for each field of ``settings`` that is out of its range or none of its words; None is left out.

    Example:
        >>> from polytask.models.encoders import MLP
        >>> range_problems(MLP())
        []
    """
    problems = []
    for name, hint in get_type_hints(settings.__class__, include_extras=True).items():
        limits = list(_limits(hint))
        words = [word for limit in limits if isinstance(limit, tuple) for word in limit]
        values = [value for value in _numbers(getattr(settings, name, None)) if value not in words]
        if ranges := [limit for limit in limits if isinstance(limit, Range)]:
            problems += [ranges[0].problem(name, value) for value in values if value not in ranges[0]]
        elif words and not {str, bool, int, float} & {limit for limit in limits if isinstance(limit, type)}:
            problems += [word_problem(name, value, words) for value in values]
    return problems


def _numbers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return [] if value is None else [value]


#: What most options are.
Count = Annotated[int, Range(1, whole=True)]
#: A share that is not the whole, such as that of dropout.
Share = Annotated[float, Range(0, 1, less=True)]


def seconds_of(text: str | float) -> float:
    """A time limit in seconds, from a number with ``s``, ``m``, ``h`` or ``d``, or several of these.

    Raises:
        ValueError: If it is none, or not more than 0.

    Example:
        >>> seconds_of("10m"), seconds_of("1h30m"), seconds_of("45"), seconds_of(90)
        (600.0, 5400.0, 45.0, 90.0)
    """
    parts = re.findall(r"([0-9]+\.?[0-9]*)\s*([smhd]?)", str(text).strip().lower())
    whole = "".join(f"{number}{unit}" for number, unit in parts)
    found = sum(float(number) * {"s": 1, "": 1, "m": 60, "h": 3600, "d": 86_400}[unit] for number, unit in parts)
    if not parts or whole != re.sub(r"\s", "", str(text).lower()) or found <= 0:
        raise ValueError(f"expected a time above 0 such as 90s, 10m or 1h30m, found {text!r}")
    return found
