"""Numbers and their ranges: written once, at an option's definition, and refused in one voice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, get_args, get_type_hints

from pydantic_core import PydanticCustomError

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
        """What is wrong with a value, as a sentence.

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
    found = {}
    for name, hint in get_type_hints(settings, include_extras=True).items():
        for annotation in (hint, *get_args(hint)):
            for extra in getattr(annotation, "__metadata__", ()):
                if isinstance(extra, Range):
                    found[name] = extra
    return found


def range_problems(settings: object) -> list[str]:
    """One sentence for each field of ``settings`` that is out of its range; None is left out.

    Example:
        >>> from polytask.models.encoders import MLP
        >>> range_problems(MLP())
        []
    """
    return [
        allowed.problem(name, value)
        for name, allowed in ranges_of(settings.__class__).items()
        if (value := getattr(settings, name)) is not None and value not in allowed
    ]


#: What most options are.
Count = Annotated[int, Range(1, whole=True)]
