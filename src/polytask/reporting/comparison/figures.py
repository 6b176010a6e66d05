"""Figures as files of their own, for papers."""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"(--[\w-]+)\s*:\s*([^;}]+)")
_USE = re.compile(r"var\((--[\w-]+)\)")
_RULE = re.compile(r"([^@{}]+)\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MEDIA = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
#: Rules of the page that concern drawings.
_DRAWN = re.compile(r"svg|\.(grid|axis|line|dot|whisker|seed|clique|critical|leader|name|tick|label|method)\b")


def standalone(drawing: str, css: str) -> str:
    """An SVG document that carries its own style, in light colours.

    Args:
        drawing: An ``<svg>`` element.
        css: The page's style; its variables are written out, for programs that do not know them.
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
