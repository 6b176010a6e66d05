"""``polytask report``: the page of a run, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..reporting import write_report
from .app import command


@command(epilog="**Example**\n\n`polytask report runs/first`")
def report(
    run: Annotated[Path, typer.Argument(help="folder that `polytask fit` wrote", show_default=False)],
) -> None:
    """Write `report.html`, one self-contained page, beside the results of a run."""
    print(f"written: {write_report(run)}")
