"""``polytask demo``: the whole way on real data that comes with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import make_config
from ..display.terminal import Terminal
from . import options as o
from .app import command
from .outcome import show_results

if TYPE_CHECKING:
    from ..reporting.outcome import Tally


@command(epilog="**Example**\n\n`polytask demo --out my-demo`")
def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="folder of the demo, with the run in it")] = Path(
        "polytask-demo"
    ),
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="random seed of labels, split and weights [default: 0]")
    ] = None,
    quiet: o.Quiet = False,
) -> None:
    """Train on half-hidden digits with eight targets and one label per image: do the targets help each other?

    1,797 real images from scikit-learn, of which 1,300 have one label each; under a minute on two cores, without a
    connection.
    """
    from ..comparison.datasets.digits import TARGETS, write_few_labels
    from ..records.folder import refuse_existing
    from ..records.run import Run
    from ..reporting.outcome import rows, tallies
    from ..runs import fit_run

    refuse_existing(out)
    display = Terminal(quiet)
    table, run = out / "half-hidden-digits.csv", out / "run"
    write_few_labels(table, seed or 0)
    config = make_config({"data": str(table), "targets": TARGETS, "split": "part", "networks": 1, "seed": seed or 0})
    command_line = f"polytask fit {table} --targets {','.join(TARGETS)} --split part --networks 1 --out {run}"
    command_line += f" --seed {seed}" if seed else ""
    display.say(f"data: {table}\nthis is: {command_line}")
    results = fit_run(config, run, display=display)
    show_results(results, display, run)
    display.result(f"predictions: polytask predict {run} {table} --out {out / 'predictions.parquet'}")
    display.result(lesson(tallies(rows(Run(run, results=results)))))


def lesson(found: Sequence[Tally]) -> str:
    """What the demo shows, in one sentence, whichever way it went.

    Args:
        found: Ours against every baseline; single-task models and the plain network are among them.
    """
    from ..reporting.outcome import MODELS

    single, plain = (next(one for one in found if one.other == MODELS[name]) for name in ("single_task", "all_in_one"))
    gained = single.better > single.worse
    said = "learn related targets in one network when each has few labels" if gained else "sharing gained nothing here"
    return (
        f"In short: {said}: against a network for each target, one for all is better in {single.better} of "
        f"{single.compared} and worse in {single.worse}, beyond chance; against plain training of the same network "
        f"it is better in {plain.better} and worse in {plain.worse}."
    )
