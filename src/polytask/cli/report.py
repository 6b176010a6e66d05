"""``polytask report``: the report of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import command


@command(
    epilog="**Examples**\n\n`polytask report runs/first`\n\n`polytask report studies/first`\n\n"
    "`polytask report runs/first --figures paper/figures`"
)
def report(
    run: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="folder that `fit` or `compare` wrote", show_default=False)
    ],
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="folder for all figures (SVG, and PNG with the extra figures) and tables (CSV, Markdown)",
        ),
    ] = None,
) -> None:
    """Write `report.html`, one self-contained page, beside the results of a run or of a comparison."""
    from ..comparison.page import comparison_results, write_comparison, write_figures
    from ..reporting import export_run, write_report

    results = comparison_results(run)
    print(f"written: {write_report(run) if results is None else write_comparison(run, results)}")
    if figures is None:
        return
    if results is None:
        export_run(run, figures)
    else:
        from ..comparison.tables import write_tables

        write_figures(figures, results)
        write_tables(results, figures)
    print(f"written: {len(list(figures.iterdir()))} files in {figures}")
