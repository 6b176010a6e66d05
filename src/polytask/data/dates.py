"""Dates and times: how people write them, and what a network reads of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from ..errors import UserError
from .columns import coded, is_text, numbers
from .marks import no_numbers

DAY = 86_400.0
#: Order of year, month and day in text; ``iso`` where the year comes first, ``compact`` for ``20240131``.
ORDERS = ("iso", "day_first", "month_first", "compact")
#: Years of compact dates; this many different numbers that are all such dates are no chance (a random one is in 4 %).
_CENTURIES, _FEWEST_COMPACT = (1900, 2100), 10
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:[.,][0-9]+)?))?"
    r"(?:\s*(?P<half>[AaPp][Mm]))?(?:\s*(?P<zone>Z|z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?))?"
)
_DATE = rf"^(?P<a>[0-9]{{1,4}})(?P<by>[-/.])(?P<b>[0-9]{{1,2}})[-/.](?P<c>[0-9]{{1,4}})(?:[T ,]+{_CLOCK})?$"
_NAMED = (
    r"^(?:[A-Za-z]{3,9},?\s+)??(?:(?P<a>[0-9]{1,2})(?:st|nd|rd|th)?[-/. ]+)?(?P<name>[A-Za-z]{3,9})\.?[-/., ]+"
    rf"(?:(?P<a2>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+)?(?P<c>[0-9]{{2,4}})(?:[T ,]+{_CLOCK})?$"
)
_TIME = rf"^{_CLOCK}$"
_CENTURY = "((?:19|20)[0-9]{2})"
#: Other ways to write dates, and what is read instead: months and quarters (by their first day), basic ISO, ctime of C.
_REWRITTEN = (
    (rf"^{_CENTURY}[-/](0[1-9]|1[0-2])$", r"\1-\2-01"),
    *((rf"^{_CENTURY}[- ]?[Qq]{quarter}$", rf"\1-{3 * quarter - 2}-1") for quarter in (1, 2, 3, 4)),
    (rf"^{_CENTURY}([0-9]{{2}})([0-9]{{2}})T([0-9]{{2}})([0-9]{{2}})([0-9]{{2}})", r"\1-\2-\3T\4:\5:\6"),
    (rf"^{_CENTURY}([0-9]{{2}})([0-9]{{2}})T([0-9]{{2}})([0-9]{{2}})([^0-9].*)?$", r"\1-\2-\3T\4:\5\6"),
    (r"^[A-Z][a-z]{2} ([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) ([0-9]{4})$", r"\2 \1 \4 \3"),
)
#: Two digits of a year from this on are of the last century.
_PIVOT = 69


@dataclass(frozen=True)
class DateWords:
    """Words read as dates.

    Attributes:
        seconds: ``[words]`` float64 since 1970 (UTC, also where no zone is given), NaN where a word is no date.
        strange: ``[words]`` bool, words that are neither dates nor marks of missing ones.
        order: How day and month are ordered: one of ``ORDERS``, or empty where the column allows two readings.
        clock: Whether these are times of the day without a date.
    """

    seconds: np.ndarray
    strange: np.ndarray
    order: str
    clock: bool = False


def read_dates(words: pa.Array, order: str = "") -> DateWords:
    """Distinct words of one column as dates. Whether the day or the month comes first is decided over all of them.

    Args:
        words: ``[words]``, without blanks at the ends and without nulls.
        order: The order where it is known.

    Example:
        >>> read_dates(pa.array(["1970-01-02", "1970-01-01T00:01:00+01:00"])).seconds.tolist()
        [86400.0, -3540.0]
        >>> found = read_dates(pa.array(["13/01/1970", "02/01/1970"]))
        >>> found.order, found.seconds.tolist()
        ('day_first', [1036800.0, 86400.0])
        >>> read_dates(pa.array(["01/02/1970"])).order, read_dates(pa.array(["12:30"])).seconds.tolist()
        ('', [45000.0])
    """
    words = words.cast(pa.large_string())
    for written, read in _REWRITTEN:
        words = pc.replace_substring_regex(words, written, read)
    marked = no_numbers(words)
    times = _Parts.of(words, _TIME)
    if times.matched.any():
        seconds = np.where(times.matched, times.of_day(), np.nan)
        return DateWords(seconds, np.isnan(seconds) & ~marked, order or "iso", clock=True)
    digits, named = _Parts.of(words, _DATE), _Parts.of(words, _NAMED)
    found, order = _numeric_dates(digits, order)
    seconds = np.where(digits.matched, found, np.where(named.matched, _named_dates(named), np.nan))
    return DateWords(seconds, np.isnan(seconds) & ~marked, order)


@dataclass(frozen=True)
class _Parts:
    """Named groups of a pattern in every word."""

    cells: pa.Array
    matched: np.ndarray

    @classmethod
    def of(cls, words: pa.Array, pattern: str) -> _Parts:
        cells = pc.extract_regex(words, pattern)
        return cls(cells, np.asarray(cells.is_valid().to_numpy(zero_copy_only=False), bool))

    def text(self, name: str) -> pa.Array:
        return pc.fill_null(self.cells.field(name), "")

    def number(self, name: str) -> np.ndarray:
        """``[words]``, NaN where the group is empty."""
        text = pc.replace_substring(self.text(name), ",", ".")
        text = pc.if_else(pc.and_(pc.not_equal(text, ""), pa.array(self.matched)), text, None)
        return np.asarray(text.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)

    def of_day(self) -> np.ndarray:
        """``[words]`` seconds of the day in UTC, 0 where there is no clock, NaN where it is none."""
        hour, minute, second = (np.nan_to_num(self.number(name)) for name in ("hour", "minute", "second"))
        half = pc.utf8_lower(self.text("half")).to_numpy(zero_copy_only=False)
        wrong = (hour > 23) | (minute > 59) | (second >= 61) | ((half != "") & ((hour < 1) | (hour > 12)))
        hour = np.where(half != "", hour % 12 + 12 * (half == "pm"), hour)
        seconds = 3600 * hour + 60 * minute + second - self._zone()
        return np.where(wrong, np.nan, seconds)

    def _zone(self) -> np.ndarray:
        texts = self.text("zone").dictionary_encode()
        offsets = [_offset(text) for text in texts.dictionary.to_pylist()]
        return np.array(offsets)[texts.indices.to_numpy(zero_copy_only=False)] if offsets else np.zeros(len(texts))


def _offset(zone: str) -> float:
    """Seconds from UTC.

    Example:
        >>> _offset("+02:00"), _offset("-0330"), _offset("Z")
        (7200.0, -12600.0, 0.0)
    """
    if zone[:1] not in ("+", "-"):
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (-1.0 if zone[0] == "-" else 1.0) * (3600 * int(digits[:2]) + 60 * int(digits[2:]))


def _numeric_dates(parts: _Parts, order: str) -> tuple[np.ndarray, str]:
    a, b, c = (parts.number(name) for name in "abc")
    lengths, last = (pc.utf8_length(parts.text(name)).to_numpy(zero_copy_only=False) for name in "ac")
    first = parts.matched & (lengths == 4) & (last <= 2)
    dotted = pc.equal(parts.text("by"), ".").to_numpy(zero_copy_only=False)
    # 1.2.3 is a version.
    later = parts.matched & ~first & ((last == 4) | ((last == 2) & ~(dotted & (lengths < 2))))
    order = order or _order(a[later], b[later], bool(dotted[later].all()))
    day, month = (b, a) if order == "month_first" else (a, b)
    seconds = np.where(first, _since_1970(a, b, c), np.where(later, _since_1970(_year(c), month, day), np.nan))
    return seconds + parts.of_day(), order


def _order(a: np.ndarray, b: np.ndarray, dotted: bool) -> str:
    """Which of two orders the column has; empty where both fit and it matters."""
    if not len(a):
        return "iso"
    if dotted or (a > 12).any() or (a == b).all():
        return "day_first"
    return "month_first" if (b > 12).any() else ""


def _named_dates(parts: _Parts) -> np.ndarray:
    names = parts.text("name").dictionary_encode()
    known = [_MONTHS.index(name[:3].lower()) + 1.0 if name[:3].lower() in _MONTHS else math.nan
             for name in names.dictionary.to_pylist()]  # fmt: skip
    month = np.array([*known, math.nan])[names.indices.to_numpy(zero_copy_only=False)]
    first, second = parts.number("a"), parts.number("a2")
    day = np.where(np.isnan(first), np.where(np.isnan(second), 1.0, second), first)
    both = ~np.isnan(first) & ~np.isnan(second)
    return np.where(both, np.nan, _since_1970(_year(parts.number("c")), month, day)) + parts.of_day()


def _year(digits: np.ndarray) -> np.ndarray:
    return np.where(digits < 100, digits + np.where(digits < _PIVOT, 2000, 1900), digits)


def _since_1970(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Seconds of civil dates, NaN where there is no such day."""
    inside = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1)
    year, month, day = (np.where(inside, part, 1.0).astype(np.int64) for part in (year, month, day))
    months = (12 * (year - 1970) + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    real = inside & (days.astype("datetime64[M]") == months)
    return np.where(real, days.astype(np.int64) * DAY, np.nan)


def moments(column: pa.ChunkedArray, order: str, at: str) -> np.ndarray:
    """``[n]`` float64 seconds since 1970 (of times of the day, since midnight), NaN where missing.

    Takes dates, timestamps and times of Arrow in any unit, text, and numbers, whose unit follows from their size
    (:func:`seconds_of`) unless they are compact dates.

    Args:
        column: The cells; blanks and marks of missing ones are removed.
        order: Of day and month in text.
        at: Names the column in messages.

    Raises:
        UserError: If a cell is no date.
    """
    if not is_text(column.type):
        values = numbers(column)
        if pa.types.is_temporal(column.type):
            return values
        if (infinite := np.isinf(values)).any():
            raise UserError(f"{at}: expected dates, found an infinite number (row {int(infinite.argmax()) + 1})")
        return _of_numbers(values)
    words = coded(column)
    epochs = _plain_numbers(words.words)
    found = read_dates(words.words, order if order in ("day_first", "month_first") else "")
    if not found.order:  # the training rows did not tell
        dates = ~np.isnan(found.seconds)
        raise UserError(f"{at}: dates such as {words.example(dates)} may begin with the day or with the month, and "
                        "the training rows do not tell; write them as 2024-01-31")  # fmt: skip
    strange = found.strange & np.isnan(epochs)
    if strange.any():
        raise UserError(f"{at}: expected dates, found {words.example(strange)}; correct or empty such cells, or count "
                        "the word as missing (`fit --missing WORD`)")  # fmt: skip
    since = _of_numbers(epochs)
    return words.gather(np.where(np.isnan(since), found.seconds, since), np.nan)


def are_compact(column: pa.ChunkedArray, fewest: int = _FEWEST_COMPACT) -> bool:
    """Whether all cells are dates such as 20240131, as numbers or text, and at least ``fewest`` are different.

    Example:
        >>> are_compact(pa.chunked_array([[20240131, None, 20240201]]), fewest=2), are_compact(pa.chunked_array([[7]]))
        (True, False)
    """
    kind = column.type
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return False
    values = _plain_numbers(coded(column).words) if is_text(kind) else numbers(column)
    values = values if is_text(kind) else values[~np.isnan(values)]
    if not len(values) or np.isnan(_compact(values[:1]))[0]:  # most columns show here
        return False
    values = np.unique(values)
    return len(values) >= fewest and not np.isnan(_compact(values)).any()


def _plain_numbers(words: pa.Array) -> np.ndarray:
    """``[words]`` float64, NaN where a word is no plain number."""
    plain = pc.match_substring_regex(words, r"^-?[0-9]+(\.[0-9]+)?$")
    values = pc.if_else(plain, words, None).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64)


def _of_numbers(values: np.ndarray) -> np.ndarray:
    compact = _compact(values)
    return np.where(np.isnan(compact), seconds_of(torch.from_numpy(values.copy())).numpy(), compact)


def _compact(values: np.ndarray) -> np.ndarray:
    """Seconds since 1970 of numbers such as 20240131, NaN where there is no such day."""
    year = np.floor(values / 10_000)
    known = (values % 1 == 0) & (year >= _CENTURIES[0]) & (year < _CENTURIES[1])
    year, rest = np.where(known, year, 0.0), np.where(known, values % 10_000, 0.0)
    return _since_1970(year, np.floor(rest / 100), rest % 100)


def seconds_of(values: Tensor) -> Tensor:
    """Seconds since 1970 of numbers in seconds, milliseconds, microseconds or nanoseconds, by their size: below 1e11 in
    seconds (until the year 5138), below 1e14 in milliseconds, below 1e17 in microseconds.

    Example:
        >>> seconds_of(torch.tensor([1704067200.0, 1704067200000.0, 1.7040672e18], dtype=torch.float64)).tolist()
        [1704067200.0, 1704067200.0, 1704067200.0]
    """
    size = values.abs()
    scale = 1 + 999.0 * (size >= 1e11) + 999e3 * (size >= 1e14) + 999e6 * (size >= 1e17)
    return values / scale


def date_parts(seconds: Tensor) -> dict[str, Tensor]:
    """What a network reads of dates: in torch, so that an exported file holds the same arithmetic.

    Args:
        seconds: ``[n]`` float64 since 1970, NaN where missing.

    Returns:
        By name ``[n]`` float64, NaN where missing: ``time`` (days since 1970), ``year``, ``month`` (1 to 12),
        ``weekday`` (0 is Monday), ``hour`` (with its fraction), and sine and cosine of the last three.

    Example:
        >>> parts = date_parts(torch.tensor([1709210000.0], dtype=torch.float64))  # Thursday 2024-02-29 12:33:20
        >>> [round(float(parts[name]), 3) for name in ("year", "month", "weekday", "hour")]
        [2024.0, 2.0, 3.0, 12.556]
    """
    days = torch.floor(seconds / DAY)
    hour = (seconds - days * DAY) / 3600
    weekday = days + 3 - 7 * torch.floor((days + 3) / 7)
    # Civil dates from days: H. Hinnant, "chrono-compatible low-level date algorithms", years begin in March.
    shifted = days + 719_468
    era = torch.floor(shifted / 146_097)
    of_era = shifted - era * 146_097
    years = torch.floor(
        (of_era - torch.floor(of_era / 1460) + torch.floor(of_era / 36_524) - torch.floor(of_era / 146_096)) / 365
    )
    of_year = of_era - (365 * years + torch.floor(years / 4) - torch.floor(years / 100))
    from_march = torch.floor((5 * of_year + 2) / 153)
    month = from_march + 3 - 12 * torch.floor(from_march / 10)
    year = years + era * 400 + torch.floor((14 - month) / 12)
    found = {"time": seconds / DAY, "year": year, "month": month, "weekday": weekday, "hour": hour}
    for name, value, period in (("month", month - 1, 12.0), ("weekday", weekday, 7.0), ("hour", hour, 24.0)):
        angle = (value * (2 * math.pi / period)).float()  # exported files know no sine of double precision
        found |= {f"{name}_sin": torch.sin(angle).double(), f"{name}_cos": torch.cos(angle).double()}
    return found
