"""``polytask affinity``: which task helps which, in one training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..display.terminal import Terminal
from ..errors import UserError
from . import options as o
from .app import command


@command(
    epilog="**Example**\n\n`polytask affinity customers.csv --targets click,purchase,spend --out affinity.json`\n\n"
    "`polytask select affinity.json --networks 2`"
)
@o.with_keys("affinity")
def affinity(
    data: o.DataOrConfig,
    out: Annotated[Path, typer.Option(metavar="FILE", help="file to write")] = Path("affinity.json"),
    set_: o.Set = None,
    quiet: o.Quiet = False,
    given: o.Given = None,
) -> None:
    """Measure in one training run how an update on each task changes the loss of the others (TAG).

    `affinity[i][j]` is the effect of an update on task i on the loss of task j; positive helps.
    """
    config = o.resolve(data, given or {}, set_)
    o.check_tables(config)
    o.check_file_to_write(out, is_affinity)
    from ..processes.collectives import is_first  # only now: these load PyTorch, for which mistakes need not wait
    from ..runs.measure import measure_table

    config.processes().launch(config.device)
    display = Terminal(quiet or not is_first())
    result = measure_table(config, display)
    o.say_flat(o.flat_keys(data, set_), display)
    if not is_first():
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    result.save(out)
    display.table(
        "effect of an update on the row's task on the loss of the column's task, in thousandths; positive helps",
        ["", *result.tasks],
        [
            [name, *(f"{1000 * value:.3g}" for value in row)]
            for name, row in zip(result.tasks, result.matrix, strict=True)
        ],
    )
    display.result(f"written: {out}")


def is_affinity(path: Path) -> bool:
    """Whether a file holds what this command writes."""
    from ..grouping.affinity_matrix import Affinity

    try:
        Affinity.load(path)
    except UserError:
        return False
    return True
