"""Equations: fenced ``math``, which GitHub draws itself, become MathML, which browsers draw without a script."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

from latex2mathml.converter import convert

FENCED = re.compile(r"(?ms)^```math\n(.*?)^```$")


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    """The page with its equations drawn."""
    return FENCED.sub(lambda found: f"<p>{convert(dedent(found[1]).strip(), display='block')}</p>", markdown)
