"""Numbers as a reader wants them: aligned, with a real minus sign, and honest about what is undefined."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..display.text import duration as duration_of

UNDEFINED = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"


def places(values: Iterable[float | None]) -> int:
    """Decimals that suit all of ``values``, so that the numbers of one task can be compared digit by digit.

    Example:
        >>> places([0.91, 0.88]), places([25.1, 3.0]), places([48210.0]), places([0.0042]), places([])
        (3, 2, 0, 5, 3)
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if largest == 0 or 0.1 <= largest < 10:
        return 3
    exponent = math.floor(math.log10(largest))
    return min(12, max(0, 3 - exponent if exponent > 0 else 2 - exponent))


def shown(value: float | None, decimals: int = 3) -> str:
    """A number with that many decimals.

    Example:
        >>> shown(-0.5), shown(12345.678, 0), shown(None), shown(-0.0001)
        ('−0.500', '12,346', '–', '0.000')
    """
    if value is None:
        return UNDEFINED
    if abs(value) >= 1e12:
        return f"{value:.3e}".replace("-", MINUS)
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def signed(value: float | None, decimals: int = 3) -> str:
    """A difference: the sign is always there, unless it rounds to 0.

    Example:
        >>> signed(0.02), signed(-0.02), signed(0.0001)
        ('+0.020', '−0.020', '0.000')
    """
    text = shown(value, decimals)
    return f"+{text}" if value is not None and value > 0 and text.strip("0.,") else text


def percent(share: float | None, decimals: int = 1) -> str:
    r"""A share as a percentage.

    Example:
        >>> percent(0.987), percent(None)
        ('98.7\xa0%', '–')
    """
    return UNDEFINED if share is None else f"{shown(100 * share, decimals)}{SPACE}%"


def short(value: float, digits: int = 2) -> str:
    """That many significant digits, for captions and tooltips; thousands are written out.

    Example:
        >>> short(0.00123), short(-42.0), short(4025.0, 3)
        ('0.0012', '−42', '4,025')
    """
    thousands = 1000 <= abs(value) < 1e12
    return (f"{value:,.0f}" if thousands else f"{value:.{digits}g}").replace("-", MINUS)


def duration(seconds: float | None) -> str:
    """A time that a person would say.

    Example:
        >>> duration(0.31), duration(48.2), duration(200), duration(7500), duration(200_000)
        ('0.3 s', '48 s', '3 min 20 s', '2 h 05 min', '2 d 8 h')
    """
    return UNDEFINED if seconds is None else duration_of(seconds)
