"""What was odd about the data when they were prepared, sorted by what it is about."""

from __future__ import annotations

import re

from ..records.run import Run

#: Beginnings of the warnings of each kind; any other warning is about the split.
_KINDS = {
    "leak": re.compile(r"feature ['\"]"),
    "text": re.compile("text "),
    "relation": re.compile(r"target ['\"].* is (a copy|the sum|a linear combination) "),
    "id": re.compile(r"column ['\"].* is a feature and named like an id"),
    "repeated": re.compile(r"[0-9,]+ of [0-9,]+ [a-z]+ rows have the features of a training row"),
}


def noted(run: Run, kind: str) -> list[str]:
    """The warnings of one kind.

    Args:
        run: The run.
        kind: ``leak``, ``text``, ``relation``, ``id``, ``repeated`` or ``split``.
    """
    return [warning for warning in run.log.warnings if _kind(warning) == kind]


def _kind(warning: str) -> str:
    return next((kind for kind, begins in _KINDS.items() if begins.match(warning)), "split")


def names_in(warning: str) -> list[str]:
    """Names between quotation marks, in order.

    Example:
        >>> names_in("target 'total' is the sum of targets 'price' and 'tax'")
        ['total', 'price', 'tax']
    """
    return [found[1] for found in re.findall(r"(['\"])(.+?)\1", warning)]
