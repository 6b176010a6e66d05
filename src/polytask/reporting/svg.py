"""Just enough to draw: SVG elements, a frame with axes, and labels that fit. Colours are in ``page.css``."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ..display.text import printable
from .numbers import MINUS

#: What is beyond is drawn at the edge: differences of larger numbers are not finite.
LARGEST = 1e300
#: Width of a digit of a tick.
LETTER = 6.2
#: Frames beside the drawing from which the position of a point no longer matters.
FAR = 1000.0


def element(name: str, *children: str, **attributes: object) -> Markup:
    """An SVG element; text and attributes are escaped, ``_`` in an attribute's name stands for ``-``, None for none.

    Control characters are written out, see :func:`~polytask.display.text.printable`.

    Example:
        >>> print(element("text", "a < b", x=1.25, class_="tick"))
        <text x="1.25" class="tick">a &lt; b</text>
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(_attribute(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(child if isinstance(child, Markup) else printable(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def drawing(
    width: float, height: float, label: str, *children: str, class_: str = "figure", **attributes: object
) -> Markup:
    """The outermost element: scales with the report, and states in words what it shows."""
    box = f"0 0 {_attribute(width)} {_attribute(height)}"
    return element(
        "svg", *children, viewBox=box, width=width, height=height, role="img", aria_label=label, class_=class_,
        **attributes,
    )  # fmt: skip


def nothing_drawn(width: float, height: float, label: str) -> Markup:
    """What stands instead of a drawing without a point."""
    words = element("text", "no defined value", x=width / 2, y=height / 2, text_anchor="middle", class_="empty")
    return drawing(width, height, label, words)


def defined(line: Iterable[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """The points of a line that can be drawn.

    Example:
        >>> defined([(1.0, 0.5), (2.0, None), (3.0, float("nan")), (float("inf"), 1.0)])
        [(1.0, 0.5)]
    """
    known = ((x, y) for x, y in line if y is not None and math.isfinite(x) and math.isfinite(y))
    return [(min(max(x, -LARGEST), LARGEST), min(max(y, -LARGEST), LARGEST)) for x, y in known]


def path(points: list[tuple[float, float]], class_: str, **attributes: object) -> Markup:
    """A line through ``points``."""
    return element("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), class_=class_, **attributes)


def points_of(line: Sequence[tuple[float, float]]) -> str:
    """The data behind a line, for ``page.js``.

    Example:
        >>> points_of([(0.5, 0.81234), (1.0, 12345.0)])
        '0.5,0.8123 1,1.234e+04'
    """
    return " ".join(f"{x:.4g},{y:.4g}" for x, y in line)


@dataclass(frozen=True)
class Frame:
    """A plotting area with linear axes, and the place around it for their labels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = 280
    height: float = 176
    left: float = 42
    right: float = 16
    top: float = 22
    bottom: float = 34

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Position of a point of the data on the drawing; one far outside of the frame is moved nearer."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        inner_width, inner_height = self.width - self.left - self.right, self.height - self.top - self.bottom
        across, up = (min(max(share, -FAR), FAR) for share in (across, up))
        return self.left + across * inner_width, self.height - self.bottom - up * inner_height

    def _across(self, whole: bool) -> list[tuple[float, str]]:
        """Ticks of the horizontal axis, as many as there is room for."""
        room = (self.width - self.left - self.right) / LETTER
        tried = (ticks(*self.x, most=most, whole=whole) for most in (8, 6, 4, 3))
        fitting = (found for found in tried if sum(len(text) + 2 for _, text in found) <= room)
        return next(fitting, ticks(*self.x, most=2, whole=whole))

    def words(self) -> str:
        """For ``page.js``: left, top, right and bottom of the plotting area, and what of the data is there."""
        inner = (self.left, self.top, self.width - self.right, self.height - self.bottom)
        return " ".join(f"{value:.6g}" for value in (*inner, *self.x, *self.y))

    def axes(self, x_label: str, y_label: str, whole_x: bool = False) -> Iterator[Markup]:
        """Grid lines, ticks and the names of both axes."""
        right, bottom = self.width - self.right, self.height - self.bottom
        for value, text in ticks(*self.y, most=6):
            y = self.at(self.x[0], value)[1]
            yield element("line", x1=self.left, x2=right, y1=y, y2=y, class_="grid")
            yield element("text", text, x=self.left - 5, y=y + 3.5, text_anchor="end", class_="tick")
        for value, text in self._across(whole_x):
            x = self.at(value, self.y[0])[0]
            yield element("line", x1=x, x2=x, y1=bottom, y2=bottom + 3, class_="axis")
            yield element("text", text, x=x, y=bottom + 14, text_anchor="middle", class_="tick")
        yield element("line", x1=self.left, x2=right, y1=bottom, y2=bottom, class_="axis")
        yield element("text", y_label, x=2, y=10, class_="label")
        yield element("text", x_label, x=right, y=self.height - 5, text_anchor="end", class_="label")


def ticks(low: float, high: float, most: int, whole: bool = False) -> list[tuple[float, str]]:
    """Round values between two others, with their texts: steps of 1, 2 or 5 times a power of ten.

    Example:
        >>> [text for _, text in ticks(0.0, 1.0, most=5)]
        ['0.0', '0.5', '1.0']
        >>> [text for _, text in ticks(0, 3, most=6, whole=True)]
        ['0', '1', '2', '3']
    """
    exponent = math.floor(math.log10((high - low) / most))
    steps = (factor * 10.0**power for power in (exponent, exponent + 1) for factor in (1, 2, 5))
    slack = 1e-9 * (high - low)
    step = next(step for step in steps if (high - low) / step <= most - 1 + 1e-9 and (step >= 1 or not whole))
    first, last = math.ceil((low - slack) / step), math.floor((high + slack) / step)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(index * step, _tick(index * step, decimals)) for index in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """The range of ``values`` with some air, never empty; 0 to 1 without values.

    Example:
        >>> padded([0.0, 1.0], 0.5), padded([2.0]), padded([0.0, 0.0]), padded([])
        ((-0.5, 1.5), (1.9, 2.1), (-0.5, 0.5), (0.0, 1.0))
    """
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    air = share * (high - low) if high - low > 1e-9 * size else 0.05 * size
    air = max(air, 1e-290) if air else 0.5
    return low - air, high + air


def width_of(text: str) -> float:
    """Width in average Latin letters: East Asian characters count double, combining marks nothing."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + 0.8 * wide - sum(unicodedata.combining(char) > 0 for char in text)


def shortened(text: str, limit: float) -> str:
    """``text`` with its middle left out if it is wider than ``limit``: names often differ at both ends.

    Example:
        >>> shortened("toxicity_of_compound_in_liver", 15)
        'toxicity…_liver'
    """
    if width_of(text) <= limit:
        return text
    kept = len(text) - 1
    while kept > 2:
        candidate = text[: math.ceil(kept * 0.55)].rstrip() + "…" + text[len(text) - math.floor(kept * 0.45) :].lstrip()
        if width_of(candidate) <= limit:
            return candidate
        kept -= 1
    return text[:1] + "…"


def _tick(value: float, decimals: int) -> str:
    if abs(value) >= 1e5 or decimals > 5:
        return f"{value:.1e}".replace("-", MINUS)
    return f"{value + 0.0:.{decimals}f}".replace("-", MINUS)


def _attribute(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
