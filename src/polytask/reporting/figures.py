"""Figures and tables as separate files, for papers."""

from __future__ import annotations

import re
from pathlib import Path

from ..files import write_bytes

_VARIABLE = re.compile(r"(--[\w-]+)\s*:\s*([^;}]+)")
_USE = re.compile(r"var\((--[\w-]+)\)")
_RULE = re.compile(r"([^@{}]+)\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MEDIA = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
#: Rules of the report that concern drawings.
_DRAWN = re.compile(
    r"svg|\.(grid|axis|line|dot|whisker|reference|row|seed|clique|critical|leader|name|tick|label|method|peak|returned|switch|phase|mark"
    r"|helps|hurts|same|undefined|between|group|c\d|d\d)\b"
)


def write_figure(path: Path, drawing: str, css: str) -> None:
    """``path.svg``, and ``path.png`` where the extra ``figures`` is installed."""
    svg = standalone(drawing, css)
    write_bytes(path.with_name(f"{path.name}.svg"), svg.encode())
    png = to_png(svg)
    if png is not None:
        write_bytes(path.with_name(f"{path.name}.png"), png)


def standalone(drawing: str, css: str) -> str:
    """An SVG document that carries its own style, in light colours.

    Args:
        drawing: An ``<svg>`` element.
        css: The report's style; its variables are written out, for programs that do not know them.
    """
    light = _MEDIA.sub("", _COMMENT.sub("", css))
    values = dict(_VARIABLE.findall(light))
    style = "\n".join(
        f"{selector.strip()} {{{body}}}" for selector, body in _RULE.findall(light) if _DRAWN.search(selector)
    )
    style = _USE.sub(lambda use: values.get(use[1], "#000").strip(), style)
    style = re.sub(
        r"font: ([\d.]+px)[^;]*;", r"font-size: \1; font-family: Helvetica, Arial, DejaVu Sans, sans-serif;", style
    )
    style = style.replace("svg text", "text")
    opening, rest = drawing.split(">", 1)
    return f'{opening} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{rest}'


def to_png(svg: str, scale: float = 2.0) -> bytes | None:
    """The drawing as PNG on white; None without the extra ``figures``."""
    try:
        import resvg_py
    except ImportError:
        return None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, background="white", zoom=int(scale)))
