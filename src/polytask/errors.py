"""Errors in user input: the command line shows them without a traceback and exits with 2."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class UserError(ValueError):
    """The input is wrong: states what, where, what was expected, what was found and what to do.

    Several mistakes found together are shown together.

    Example:
        >>> print(UserError("table.csv: column 'a' is missing", "table.csv: no rows"))
        2 problems:
          1. table.csv: column 'a' is missing
          2. table.csv: no rows
    """

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise TypeError("UserError needs at least one problem")
        self.problems = problems
        super().__init__(*problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = [f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1)]
        return "\n".join([f"{len(self.problems)} problems:", *lines])


#: What a library without error numbers states where the system has no more for this process, by what has run out.
_USED_UP = {
    "memory": ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory",
               "failed to map segment", "malloc of size"),
    "files": ("too many open files",),
    "processes": ("can't start new thread", "resource temporarily unavailable"),
}  # fmt: skip
_NUMBERS = {errno.ENOMEM: "memory", errno.EMFILE: "files", errno.ENFILE: "files", errno.EAGAIN: "processes"}


def used_up(error: BaseException) -> str | None:
    """What the system has no more of for this process: memory, files or processes; None for any other error.

    Such an error does not mention the file that was being read, which is then not called damaged.

    Example:
        >>> used_up(MemoryError()), used_up(OSError(24, "Too many open files")), used_up(OSError(2, "No such file"))
        ('memory', 'files', None)
    """
    if isinstance(error, MemoryError):
        return "memory"
    if (number := getattr(error, "errno", None)) in _NUMBERS:
        return _NUMBERS[number]
    said = str(error).lower()
    return next((what for what, signs in _USED_UP.items() if any(sign in said for sign in signs)), None)


class AfterTrainingError(RuntimeError):
    """Something failed when all training was done; states what is safe and how to continue."""


class DamagedFileError(UserError):
    """A file is there, but its content is not what was written."""


class DivergedError(RuntimeError):
    """A training came to numbers that are not finite; the command line shows the message and exits with 1."""


def raise_all(problems: Sequence[str]) -> None:
    """Raise one :class:`UserError` for all ``problems``; do nothing if there are none."""
    if problems:
        raise UserError(*problems)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion for a mistyped ``name``, or the list of what is known.

    Example:
        >>> did_you_mean("bach_size", ["batch_size", "epochs"])
        "did you mean 'batch_size'?"
        >>> did_you_mean("x", ["batch_size", "epochs"])
        'known: batch_size, epochs'
    """
    known = list(known)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"known: {shown}"
