"""``polytask predict``: predictions for the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..display.terminal import Terminal
from . import options as o
from .app import command

Run = Annotated[Path, typer.Argument(metavar="RUN", help="folder that `polytask fit` wrote", show_default=False)]

Interval = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", show_default=False,
        help="coverage of prediction intervals and sets, such as 0.9 [default: as in training]",
    ),
]  # fmt: skip


@command(epilog="**Example**\n\n`polytask predict runs/first new-customers.csv --out predictions.parquet`")
def predict(
    run: Run,
    data: o.Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="file to write (.parquet, .csv or .arrow)")] = Path(
        "predictions.parquet"
    ),
    interval: Interval = None,
    trust: o.Trust = False,
    quiet: o.Quiet = False,
) -> None:
    """Predict every target for new rows, in their order.

    One column per target, and for classes one column with the probability of each: `<target>_p_<class>`. With
    `--interval 0.9` numbers also have `<target>_low` and `<target>_high`, classes `<target>_set`.
    """
    o.check_file_to_write(out)
    o.check_readable(data)
    from ..runs.use import predict_table  # loads PyTorch, for which mistakes need not wait

    display = Terminal(quiet)
    rows = predict_table(run, data, out, display, trust=trust, interval=interval)
    display.result(f"written: {out} ({rows:,} rows)")
