"""Spans in IOB tags: whole phrases that are found or missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Spans as ``(type, first, last)`` of one sentence's tags ``B-type``, ``I-type``, ``O``.

    A last word may be ``E-type``, a single one ``S-type``. As the evaluation of CoNLL-2000 has it, an I- after another
    type or after O begins a span, too.

    Example:
        >>> sorted(spans(["B-city", "I-city", "O", "I-day", "B-day"]))
        [('city', 0, 1), ('day', 3, 3), ('day', 4, 4)]
        >>> sorted(spans(["B-city", "I-city", "E-city", "S-day"]))
        [('city', 0, 2), ('day', 3, 3)]
    """
    found: set[tuple[str, int, int]] = set()
    before, start, unended = "", 0, False
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, type_ = tag.partition("-")
        goes_on = prefix in ("I", "E") and type_ == before and unended
        if before and not goes_on:
            found.add((before, start, place - 1))
        if not goes_on:
            before, start = ("" if prefix == "O" else type_ or prefix), place
        unended = prefix not in ("E", "S")
    return found


def span_counts(true: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> list[tuple[int, int, int]]:
    """Per sentence the number of spans that are right (type and both ends), true, and predicted.

    Example:
        >>> span_counts([["B-a", "I-a", "O"], ["B-b"]], [["B-a", "I-a", "O"], ["O"]])
        [(1, 1, 1), (0, 1, 0)]
    """
    pairs = [(spans(one), spans(other)) for one, other in zip(true, predicted, strict=True)]
    return [(len(wanted & found), len(wanted), len(found)) for wanted, found in pairs]


def span_f1(true: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> float:
    """F1 over the spans of all sentences; a span counts if its type and both its ends are right. NaN without spans.

    Example:
        >>> span_f1([["B-a", "I-a", "O"], ["B-b"]], [["B-a", "I-a", "O"], ["O"]])
        0.6666666666666666
    """
    counts = span_counts(true, predicted)
    right, total = sum(found[0] for found in counts), sum(found[1] + found[2] for found in counts)
    return 2 * right / total if total else float("nan")
