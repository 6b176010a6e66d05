"""Numbers as people write them: thousands separators, decimal commas, currencies, per cent and units."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .marks import no_numbers

_SIGNS, _MINUS = "\u00b0\u00b2\u00b3\u00b5\u03a9\u2030", "\u2212"
_SPACES = " \u00a0\u2009\u202f'\u2019"
#: Currencies before digits: signs (also ``R$``), codes, and what some countries write.
_MONEY = (
    r"[A-Z]{0,3}\p{Sc}|[A-Z]{3}\s|USD|EUR|GBP|CHF|JPY|CNY|INR|BRL|CAD|AUD|SEK|NOK|DKK|PLN|CZK|HUF|TRY|ZAR|MXN|"
    r"(?:[Kk]r|Rs|Fr|Rp|RM|S/)\.?"
)
#: As bookkeeping writes: minus behind the digits, a currency before the bracket, a dash instead of decimals.
_REWRITTEN = (
    (r"^(.*[0-9])[.,][-\x{2013}\x{2014}]+$", r"\1"),
    (r"^([^(+\-]*[0-9][.,][0-9]+[^(+\-]*)-$", r"-\1"),
    (rf"^({_MONEY})\s*\((.*)\)$", r"(\1\2)"),
)
#: Bracket, sign, currency, sign, digits, exponent, unit, bracket.
_CELL = (
    rf"^(?P<open>\(?)(?P<sign>[+\-{_MINUS}]?)\s*(?P<before>(?:{_MONEY})?)\s*(?P<sign2>[+\-{_MINUS}]?)"
    rf"(?P<digits>[0-9][0-9.,{_SPACES}]*|[.,][0-9]+)(?P<exponent>(?:[eE][+\-]?[0-9]+)?)"
    rf"(?P<unit>(?:\s*[%+\p{{L}}\p{{Sc}}{_SIGNS}][\p{{L}}\p{{Sc}}/%.{_SIGNS}]{{0,11}}[23]?)?)(?P<close>\)?)$"
)
#: What is grouped does not begin with 0: ``0,125`` has a decimal comma.
_GROUPS, _LAKHS = "[1-9][0-9]{0,2}([%s][0-9]{3})+", "[1-9][0-9]?(,[0-9]{2})+,[0-9]{3}"
_POINT = rf"^([0-9]+|{_GROUPS % (',' + _SPACES)}|{_LAKHS})?(\.[0-9]*)?$"
_COMMA = rf"^([0-9]+|{_GROUPS % ('.' + _SPACES)})?(,[0-9]*)?$"
#: What most columns hold, which needs none of the patterns above, and those of it that may be digits in groups.
_PLAIN, _PLAIN_GROUPS = r"^-?[0-9]+(\.[0-9]*)?$", r"^-?[1-9][0-9]{0,2}\.[0-9]{3}$"
#: Before an exponent digits are not grouped: ``1,257E-01`` has a decimal comma.
_POWER_POINT, _POWER_COMMA = r"^[0-9]*(\.[0-9]*)?$", r"^[0-9]*(,[0-9]*)?$"
_TIMES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9}
#: Cells of a column that must have its unit; fewer are a slip.
_UNIT_SHARE = 0.5


@dataclass(frozen=True)
class NumberWords:
    """Words read as numbers.

    Attributes:
        values: ``[words]`` float64, NaN where a word is no number.
        strange: ``[words]`` bool, words that are neither numbers nor marks of missing ones.
        decimal: ``.`` or ``,``: the sign before decimals; empty if no cell tells.
        found: What the cells hold beside plain numbers, for the user to read.
        unit: Their currency and unit, empty if they have none.
    """

    values: np.ndarray
    strange: np.ndarray
    decimal: str
    found: tuple[str, ...]
    unit: str = ""


def read_numbers(words: pa.Array, decimal: str = "") -> NumberWords:
    """Distinct words of one column as numbers. Signs before decimals and units are those of the whole column.

    Args:
        words: ``[words]``, without blanks at the ends and without nulls.
        decimal: The sign before decimals where the column allows both; by default the point.

    Example:
        >>> read_numbers(pa.array(["$1,200.50", "$3", "($40)"])).values.tolist()
        [1200.5, 3.0, -40.0]
        >>> read_numbers(pa.array(["1.200,5", "3"])).values.tolist(), read_numbers(pa.array(["1,5"])).decimal
        ([1200.5, 3.0], ',')
        >>> found = read_numbers(pa.array(["12 kg", "7.5 kg", "abc"]))
        >>> found.values.tolist(), found.strange.tolist(), found.found
        ([12.0, 7.5, nan], [False, False, True], ("unit 'kg'",))
    """
    words = written = words.cast(pa.large_string())
    if decimal != "," and _matches(words, _PLAIN).all():
        tells = _matches(words, r"\.") & ~_matches(words, _PLAIN_GROUPS)
        values = words.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return NumberWords(values, np.zeros(len(words), bool), "." if tells.any() else decimal, ())
    for pattern, read in _REWRITTEN:
        written = pc.replace_substring_regex(written, pattern, read)
    cells = pc.extract_regex(written, _CELL)
    matched = cells.is_valid().to_numpy(zero_copy_only=False)
    part = {name: pc.fill_null(cells.field(name), "") for name in ("open", "close", "sign", "sign2", "before",
            "digits", "exponent", "unit")}  # fmt: skip
    digits = pc.utf8_rtrim(part["digits"], characters=_SPACES)
    times, part["unit"] = _multipliers(part["unit"])
    style, fits = _style(digits, _text(pc.not_equal(part["exponent"], "")), matched, decimal)
    units, found, unit = _units(part, matched & fits)
    good = matched & fits & units & _brackets(part)
    values = np.full(len(words), np.nan)
    if good.any():
        values[good] = _values(part, digits, style).to_numpy(zero_copy_only=False)[good] * (_signs(part) * times)[good]
    behind = ["minus behind the digits"] * bool((good & _matches(words, "[.,][0-9]+[^0-9]*-$")).any())
    said = (*found, *_separators(digits, good, style), *behind)
    return NumberWords(values, ~good & ~no_numbers(words), style, said, unit)


def _text(mask: pa.Array) -> np.ndarray:
    return np.asarray(mask.to_numpy(zero_copy_only=False), bool)


def _matches(texts: pa.Array, pattern: str) -> np.ndarray:
    return _text(pc.match_substring_regex(texts, pattern))


def _style(digits: pa.Array, power: np.ndarray, matched: np.ndarray, decimal: str) -> tuple[str, np.ndarray]:
    """The sign before decimals of the whole column, and the cells that fit it; ``power``: those with an exponent."""
    point, comma = (
        matched & _matches(digits, plain) & (~power | _matches(digits, with_power))
        for plain, with_power in ((_POINT, _POWER_POINT), (_COMMA, _POWER_COMMA))
    )
    if point.sum() == comma.sum():
        return (decimal, comma if decimal == "," else point)
    return (",", comma) if comma.sum() > point.sum() else (".", point)


def _multipliers(units: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """``[words]`` what ``k``, ``M`` and ``B`` behind the digits stand for, and the units without them."""
    texts = units.to_pylist()
    times = np.array([_TIMES.get(text[:1], 1.0) if not re.search(r"[^+\W]", text[1:]) else 1.0 for text in texts])
    rest = [text[1:] if factor != 1 else text for text, factor in zip(texts, times.tolist(), strict=True)]
    return times, pa.array(rest, units.type)


def _units(part: dict[str, pa.Array], matched: np.ndarray) -> tuple[np.ndarray, list[str], str]:
    """Cells whose currency and unit are those of most cells, or that have none; what these are, in words and alone."""
    good, found, unit = matched.copy(), [], ""
    for name, label in (("before", "currency"), ("unit", "unit")):
        texts = np.array(pc.utf8_trim_whitespace(part[name]).to_pylist(), dtype=object)
        given = texts[matched & (texts != "")]
        if not len(given):
            continue
        names, counts = np.unique(given.astype(str), return_counts=True)
        common = str(names[counts.argmax()])
        enough = counts.max() >= _UNIT_SHARE * matched.sum()
        good &= (texts == "") | ((texts == common) & enough)
        if enough:
            found.append(f"per cent '{common}'" if common == "%" else f"{label} '{common}'")
            unit = f"{unit} {common}".strip()
    return good, found, unit


def _brackets(part: dict[str, pa.Array]) -> np.ndarray:
    """Both brackets or none, and one sign."""
    opened, closed = _text(pc.equal(part["open"], "(")), _text(pc.equal(part["close"], ")"))
    signs = [_text(pc.not_equal(part[name], "")) for name in ("sign", "sign2")]
    return (opened == closed) & ~(signs[0] & signs[1]) & ~(opened & (signs[0] | signs[1]))


def _signs(part: dict[str, pa.Array]) -> np.ndarray:
    negative = _text(pc.equal(part["open"], "("))
    for name in ("sign", "sign2"):
        negative |= _text(pc.is_in(part[name], value_set=pa.array(["-", _MINUS], part[name].type)))
    return np.where(negative, -1.0, 1.0)


def _values(part: dict[str, pa.Array], digits: pa.Array, style: str) -> pa.Array:
    between, before = ("[." if style == "," else "[,") + _SPACES + "]", "," if style == "," else "."
    plain = pc.replace_substring_regex(digits, between, "")
    plain = pc.replace_substring(plain, before, ".") if before == "," else plain
    texts = pc.binary_join_element_wise(plain, part["exponent"], pa.scalar("", pa.large_string()))
    valid = pc.match_substring_regex(texts, r"^([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+\-]?[0-9]+)?$")
    return pc.if_else(valid, texts, None).cast(pa.float64())


def _separators(digits: pa.Array, good: np.ndarray, style: str) -> list[str]:
    used = digits.filter(pa.array(good))
    thousands = f"[{'.' if style == ',' else ','}{_SPACES}]"
    found = ["decimal comma"] if style == "," and _matches(used, ",").any() else []
    return found + ["thousands separators"] * bool(_matches(used, thousands).any())


def leading_zeros(words: pa.Array) -> bool:
    """Whether some words are whole numbers with leading zeros: then all are codes, also those that look like numbers.

    Example:
        >>> leading_zeros(pa.array(["01234", "94103-1234"])), leading_zeros(pa.array(["0", "0.5", "7"]))
        (True, False)
    """
    return bool(pc.any(pc.match_substring_regex(words, r"^0[0-9]+$")).as_py())
