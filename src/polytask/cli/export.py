"""``polytask export``: a run as one file that predicts without this library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..config.texts import names
from ..display.terminal import Terminal
from . import options as o
from .app import command
from .predict import Interval, Run


@command(
    epilog="**Examples**\n\n`polytask export runs/first --format onnx --out model.onnx`\n\n"
    "`polytask export runs/first --format torch --tasks click,price --out model.pt2`"
)
def export(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE", help="file to write", show_default=False)],
    format: Annotated[str, typer.Option(metavar="NAME", help="onnx, or torch (a torch.export program)")] = "onnx",
    tasks: Annotated[str | None, typer.Option(metavar="NAMES", help="only these targets, separated by commas")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="table to check the file on [default: the run's]")
    ] = None,
    interval: Interval = None,
    trust: o.Trust = False,
    quiet: o.Quiet = False,
) -> None:
    """Write all networks of a run, from columns to predictions, as one ONNX or PyTorch file.

    The file is run and compared with PyTorch before it is kept. It holds a description of its inputs and outputs.
    Calibration, thresholds and, with `--interval` here or in training, prediction intervals and sets are in it.
    """
    from ..deployment import export_run, is_exported  # torch.export takes its time to load

    display = Terminal(quiet)
    o.check_file_to_write(out, is_exported)
    chosen = None if tasks is None else names(tasks, "--tasks")
    written = export_run(run, out, format=format, tasks=chosen, data=data, trust=trust, interval=interval)
    display.result(
        f"written: {out} ({', '.join(written.tasks)}); it agrees with PyTorch on {written.rows} rows of "
        f"{written.source}: largest relative difference {written.difference:.1e}"
    )
