"""``polytask fit``: the whole way, from a table to networks, figures and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..display.terminal import Terminal
from ..errors import UserError
from . import options as o
from .app import command
from .outcome import show_results


@command(
    epilog="**Examples**\n\n"
    "`polytask fit customers.csv --targets click,purchase,spend --out runs/first`\n\n"
    "`polytask fit assays.parquet --targets a,b,c --networks 2 --balance dwa --out runs/two`\n\n"
    "`polytask fit study.yaml --set model.hidden=[512,128] --out runs/wide`\n\n"
    "`polytask fit customers.csv --targets click,purchase,spend --out runs/first --resume`\n\n"
    "`polytask fit later.csv --from runs/first --targets returned --out runs/second`"
)
@o.with_keys("fit")
def fit(
    data: o.DataOrConfig = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="folder of the run", show_default=False)] = None,
    set_: o.Set = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="continue an interrupted run bit for bit", rich_help_panel=o.COMMAND)
    ] = False,
    trust: o.Trust = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
    given: o.Given = None,
) -> None:
    """Train networks for a table with many targets, and report how good they are.

    Measures which tasks help each other, chooses the networks, lets every task keep its peak, compares with single-task
    models and one plain network for all, and writes weights, figures and `report.html` into the folder of the run.
    """
    if out is None:
        raise UserError("--out: give the folder of the run, such as --out runs/first")
    given = given or {}
    if data is None and not resume:
        raise UserError("DATA: give a table or a configuration; only --resume works without it")
    config = None if data is None else o.resolve(data, given, set_)
    if config is not None and not resume:
        o.check_tables(config)
    from ..processes.collectives import is_first  # only now: these load PyTorch, for which mistakes need not wait
    from ..records.folder import RunFolder
    from ..runs import fit_run
    from ..runs.encoders import check_offline, check_trusted

    if config is None:
        config = o.resolve(RunFolder.open(out).config, given, set_)
        check_trusted(config.encoder, out, trust or "encoder" in given)
        check_offline(config.encoder, out, trust or "encoder" in given)
    config.processes().launch(config.device)
    display = Terminal(quiet or not is_first(), json)
    results = fit_run(config, out, resume=resume, display=display, trust=trust)
    o.say_flat(o.flat_keys(data, set_), display)
    if is_first():
        show_results(results, display, out, json)
