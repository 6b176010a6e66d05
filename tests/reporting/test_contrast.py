"""Colours of the pages can be told from their background by everybody (WCAG 2.1: text 4.5, drawings 3)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polytask import reporting

TEXT = ("ink", "muted", "ours", "single", "together", "good", "bad")
LINES = tuple(f"c{number}" for number in range(8))
ON = {"ours-ink": "ours-wash", "good": "good-wash", "bad": "bad-wash", "on-dark": "good"}


def colours(dark: bool) -> dict[str, str]:
    css = (Path(reporting.__file__).parent / "page.css").read_text(encoding="utf-8")
    light, _, rest = css.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([\w-]+): (#\w+)", light))
    return found | dict(re.findall(r"--([\w-]+): (#\w+)", rest)) if dark else found


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_lines_stand_out(dark: bool) -> None:
    known = colours(dark)
    weak = {name: round(contrast(known[name], known["page"]), 2) for name in (*TEXT, *LINES)}
    assert not {name: found for name, found in weak.items() if found < (4.5 if name in TEXT else 3)}
    on = {name: round(contrast(known[name], known[ground]), 2) for name, ground in ON.items()}
    assert not {name: found for name, found in on.items() if found < 4.5}
