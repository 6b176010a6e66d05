"""``polytask demo``: the whole way on real data that comes with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..display.terminal import Terminal
from . import options as o
from .app import command
from .outcome import show_results


@command(epilog="**Example**\n\n`polytask demo --out my-demo`")
def demo(
    out: Annotated[Path, typer.Option(help="folder of the demo; the run is in it")] = Path("polytask-demo"),
    seed: Annotated[int | None, typer.Option(help="random seed [default: 0]")] = None,
    quiet: o.Quiet = False,
) -> None:
    """Half of every handwritten digit is hidden: what is it, and what is in the hidden half?

    Eight targets of 1,797 real images from scikit-learn, about two minutes on two cores, no network needed.
    """
    from ..comparison.datasets.digits import TARGETS, write_demo_table
    from ..config import make_config
    from ..records.folder import refuse_existing
    from ..runs import fit_run

    refuse_existing(out)
    display = Terminal(quiet)
    table = out / "half-hidden-digits.csv"
    write_demo_table(table)
    config = make_config({"data": str(table), "targets": TARGETS, "seed": seed or 0})
    command_line = f"polytask fit {table} --targets {','.join(TARGETS)} --out {out / 'run'}"
    command_line += f" --seed {seed}" if seed else ""
    display.say(f"data: {table}\nthis is: {command_line}")
    results = fit_run(config, out / "run", display=display)
    show_results(results, display, out / "run")
    display.result(f"predictions: polytask predict {out / 'run'} {table} --out {out / 'predictions.parquet'}")
