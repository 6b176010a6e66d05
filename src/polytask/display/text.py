"""Names, lines and times as people read them."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Characters that move the cursor, colour the rest, turn the direction of writing round, or that no file can hold.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
#: What lines of one kind differ by.
_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9][0-9.,]*")


def printable(text: str) -> str:
    r"""``text`` with control characters written out: names come from files, and a terminal obeys what it is sent.

    Line feeds and tabs stay.

    Example:
        >>> print(printable("red \x1b[31m"), printable("a\u202eb"))
        red \x1b[31m a\u202eb
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def some_names(names: Sequence[str], most: int = 10) -> str:
    """Names, of many the first.

    Example:
        >>> some_names(["a", "b"]), some_names(["a", "b", "c"], 1)
        ('a, b', 'a and 2 more')
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def fewer(lines: Sequence[str], most: int = 5) -> list[str]:
    """Of lines that differ by quoted names and numbers alone the first ``most``, with how many more there are.

    Example:
        >>> fewer([f"feature 'x{n}' is odd ({n} rows)" for n in range(9)] + ["another"], 1)
        ["feature 'x0' is odd (0 rows); 8 more lines like this one", 'another']
    """
    alike: dict[str, list[str]] = {}
    for line in lines:
        alike.setdefault(_NAMES.sub("", line), []).append(line)
    found = []
    for group in alike.values():
        more = len(group) - most
        shown = group if more < 2 else [*group[: most - 1], f"{group[most - 1]}; {more} more lines like this one"]
        found += shown
    return found


def duration(seconds: float) -> str:
    """A time that a person would say.

    Example:
        >>> duration(0.31), duration(48.2), duration(200), duration(7500), duration(200_000)
        ('0.3 s', '48 s', '3 min 20 s', '2 h 05 min', '2 d 8 h')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def count(amount: int, thing: str) -> str:
    """An amount with its noun.

    Example:
        >>> count(1, "task"), count(3, "task")
        ('1 task', '3 tasks')
    """
    return f"{amount} {thing}" if amount == 1 else f"{amount} {thing}s"
