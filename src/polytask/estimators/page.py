"""What a notebook shows of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from ..display.html import cell, table


@dataclass(frozen=True)
class Page:
    """A self-contained HTML page; a notebook shows it in a separate frame.

    Attributes:
        html: The report.
    """

    html: str = field(repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the report to a file."""
        Path(path).write_text(self.html, encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        return (f'<iframe srcdoc="{escape(self.html)}" title="report of the run" width="100%" height="700" '
                'style="border:1px solid #8884" sandbox="allow-scripts"></iframe>')  # fmt: skip


def metrics_html(results: dict[str, Any]) -> str:
    """The test metrics of a run as a table: each target with its interval, a constant prediction and the baselines."""
    baselines = [name for name in ("linear", "single_task", "all_in_one") if results["baselines"].get(name)]
    trivial = results["totals"].get("trivial", {})
    head = ["target", "metric", "test", "95 % interval", "constant", *(name.replace("_", "-") for name in baselines)]
    rows = []
    for name, entry in results["tasks"].items():
        others = [_number(results["baselines"][other].get(name, {}).get("test")) for other in baselines]
        interval = entry.get("interval")
        spread = "" if interval is None else f"{_number(interval[0])} to {_number(interval[1])}"
        arrow = "\u2191" if entry["direction"] == "max" else "\u2193"
        cells = [f"{entry['metric']} {arrow}", _number(entry["test"]), spread, _number(trivial.get(name)), *others]
        rows.append((name, [cell(text) for text in cells]))
    return table(head, rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
