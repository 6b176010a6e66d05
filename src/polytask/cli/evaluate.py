"""``polytask evaluate``: metrics of a run on a labelled table."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from typing import Any

from ..display.terminal import Terminal
from . import options as o
from .app import command
from .outcome import figure, plus_minus
from .predict import Run


@command(epilog="**Example**\n\n`polytask evaluate runs/first labelled.csv --json`")
def evaluate(run: Run, data: o.Data, trust: o.Trust = False, json: o.Json = False) -> None:
    """Measure a run on a labelled table; targets without a column are left out."""
    o.check_readable(data)
    from ..runs.use import evaluate_table  # loads PyTorch, for which mistakes need not wait

    display = Terminal(json=json)
    entries = evaluate_table(run, data, display, trust=trust)
    if json:
        print(jsonlib.dumps({"tasks": entries}, indent=1, ensure_ascii=False))
        return
    rows = [
        [name if place == 0 else "", metric, figure(value) + plus_minus(interval), f"{entry['labels']:,}"]
        for name, entry in entries.items()
        for place, (metric, value, interval) in enumerate(_metrics(entry))
    ]
    display.table(str(data), ["task", "metric", "value", "labels"], rows, left=2)


def _metrics(entry: dict[str, Any]) -> Iterator[tuple[str, float | None, list[float] | None]]:
    """Name, value and interval of the metric that decides and of further ones."""
    yield entry["metric"], entry["value"], entry["interval"]
    for name, value in entry.get("metrics", {}).items():
        yield name, value, entry["intervals"][name]
