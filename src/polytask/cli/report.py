"""``polytask report``: the page of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..reporting import write_report
from ..reporting.comparison import comparison_results, write_comparison
from .app import command


@command(epilog="**Examples**\n\n`polytask report runs/first`\n\n`polytask report studies/first`")
def report(
    run: Annotated[Path, typer.Argument(help="folder that `fit` or `compare` wrote", show_default=False)],
) -> None:
    """Write `report.html`, one self-contained page, beside the results of a run or of a comparison."""
    results = comparison_results(run)
    print(f"written: {write_report(run) if results is None else write_comparison(run, results)}")
