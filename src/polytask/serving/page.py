"""``/docs``: what the service takes, as one page without scripts or anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from markupsafe import Markup, escape

from ..display.text import printable

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>polytask: predictions</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse }}
td, th {{ text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }}
pre {{ overflow-x: auto; padding: .8rem; background: #8882; border-radius: 4px }}
</style>
<h1>Predictions of {tasks}</h1>
<p><code>POST /predict</code> takes 1 to {most_rows} rows, each with all columns below, <code>null</code> where a
value is missing, and answers <code>{{"predictions": [...]}}</code> with one object per row, in order.</p>
<pre>curl -s ADDRESS/predict -H 'content-type: application/json' -d {example}</pre>
<h2>Columns of a row</h2>
<table><tr><th>column</th><th>value</th></tr>
{rows}
</table>
<h2>Others</h2>
<ul>
<li><code>GET /health</code>: whether the service answers, and for which targets.</li>
<li><code>GET /metrics</code>: counts and durations as Prometheus reads them.</li>
<li><a href="openapi.json"><code>GET /openapi.json</code></a>: all this for programs.</li>
</ul>
<p>A request that is no request is answered with 422 and <code>detail</code>, one that is too large with 413, one whose
body comes too slowly with 408.</p>
</html>
"""
_WORDS = {pa.float64(): "number", pa.string(): "text"}


def documentation(tasks: Sequence[str], types: Mapping[str, tuple[Any, pa.DataType]], most_rows: int) -> str:
    """The page."""
    words = {name: _WORDS.get(type_, "image, as the base64 of its file") for name, (_, type_) in types.items()}
    rows = [f"<tr><td>{_safe(name)}</td><td>{word}</td></tr>" for name, word in words.items()]
    example = json.dumps({"rows": [{name: 0.5 if word == "number" else "..." for name, word in words.items()}]})
    shell = "'" + example.replace("'", "'\\''") + "'"
    return _PAGE.format(tasks=_safe(", ".join(tasks)), most_rows=most_rows, rows="\n".join(rows), example=_safe(shell))


def _safe(text: str) -> Markup:
    return escape(printable(text))
