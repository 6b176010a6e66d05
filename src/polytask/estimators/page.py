"""What a notebook shows of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from ..display.html import cell, table
from ..records.run import Run
from ..reporting.numbers import shown
from ..reporting.outcome import BASELINES, rows

#: Targets that a notebook shows.
MOST_TARGETS = 50


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


def metrics_html(run: Run) -> str:
    """The test metrics of a run as a table, as in its report: each target with its interval beside what is simpler."""
    found = rows(run)
    others = list(found[0].others) if found else []
    ours = "ours, \u00b1 half of the 95 % interval"
    head = ["target", "metric", ours, "constant", *(BASELINES[one] for one in others)]
    lines = []
    for row in found[:MOST_TARGETS]:
        half = "" if row.interval is None else f" \u00b1{shown((row.interval[1] - row.interval[0]) / 2, row.decimals)}"
        values = [row.trivial, *(row.others[one].test for one in others)]
        cells = [f"{row.metric} {row.arrow}", shown(row.ours.test, row.decimals) + half]
        lines.append((row.task, [cell(text) for text in (*cells, *(shown(one, row.decimals) for one in values))]))
    left = f"{MOST_TARGETS} of {len(found):,} targets; all are in predictor.results" if len(found) > len(lines) else ""
    return table(head, lines, left)
