"""The distinct labels of a column, from which the kind of a target is inferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError

#: Whole numbers 0..k or 1..k with at most this many distinct values are taken for classes.
MOST_INTEGER_CLASSES = 20
_NEGATIVE = {"0", "-", "false", "no", "n", "f", "negative", "neg", "off", "absent", "inactive", "none",
             "nein", "nee", "non", "nie", "nao", "n\u00e3o", "nej", "ei", "falsch", "faux", "falso"}  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """The distinct labels of a column, sorted, without the missing ones.

    Attributes:
        names: As class labels.
        values: As numbers, None for words.
        counts: Rows of each.
    """

    names: tuple[str, ...]
    values: np.ndarray | None
    counts: np.ndarray

    def select(self, keep: np.ndarray) -> Labels:
        names = tuple(name for name, kept in zip(self.names, keep, strict=True) if kept)
        return Labels(names, None if self.values is None else self.values[keep], self.counts[keep])

    def reversed(self) -> Labels:
        values = None if self.values is None else self.values[::-1]
        return Labels(self.names[::-1], values, self.counts[::-1])

    @property
    def consecutive(self) -> bool:
        """Whether they are exactly the numbers 0..k or 1..k, few enough to be classes."""
        values = self.values
        if values is None or not 0 < len(values) <= MOST_INTEGER_CLASSES:
            return False
        return values[0] in (0, 1) and bool((values == np.arange(len(values)) + values[0]).all())

    @property
    def described(self) -> str:
        """What they are, for the user to read."""
        what = "text values" if self.values is None else f"whole numbers {self.names[0]} to {self.names[-1]}"
        return f"{len(self.names)} distinct {what}"


def negative_first(labels: Labels) -> Labels:
    """Two labels in the order negative, positive; others as they are.

    Example:
        >>> negative_first(Labels(("bought", "no"), None, np.array([3, 5]))).names
        ('no', 'bought')
    """
    if len(labels.names) == 2 and labels.names[1].lower() in _NEGATIVE and labels.names[0].lower() not in _NEGATIVE:
        return labels.reversed()
    return labels.reversed() if labels.names == ("true", "false") else labels


def check_single_rows(labels: Labels, at: str) -> None:
    """Raise a :class:`UserError` for classes with a single row: they cannot be in training and in validation."""
    single = [name for name, count in zip(labels.names, labels.counts, strict=True) if count < 2]
    if single:
        other = ", or state the kind regression" if labels.values is not None else ""
        raise UserError(
            f"{at}: classes with a single row: {some(single)}; --rare drop counts them as no label, --rare merge makes "
            f"them one class{other}"
        )


def some(names: Sequence[str]) -> str:
    """The first five, quoted."""
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
