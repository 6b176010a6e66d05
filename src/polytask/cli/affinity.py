"""``polytask affinity``: who helps whom, in one training run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as o
from .app import command
from .display import Terminal


@command(
    epilog="**Example**\n\n`polytask affinity customers.csv --targets click,purchase,spend --out affinity.json`\n\n"
    "`polytask select affinity.json --networks 2`"
)
def affinity(
    data: o.DataOrConfig,
    targets: o.Targets = None,
    out: Annotated[Path, typer.Option(help="file to write")] = Path("affinity.json"),
    estimator: Annotated[
        str | None, typer.Option(help="auto, cosine, factored, gramian, lookahead or representation [default: auto]")
    ] = None,
    every: Annotated[int | None, typer.Option(help="steps between probes [default: the estimator's own]")] = None,
    kind: o.Kind = None,
    weight: o.Weight = None,
    metric: o.Metric = None,
    features: o.Features = None,
    ignore: o.Ignore = None,
    id: o.Id = None,
    split: o.Split = None,
    group: o.Group = None,
    time: o.Time = None,
    validation: o.Validation = None,
    test: o.Test = None,
    missing: o.Missing = None,
    rare: o.Rare = None,
    steps: o.Steps = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = None,
    learning_rate: o.LearningRate = None,
    device: o.Device = None,
    devices: o.Devices = None,
    nodes: o.Nodes = None,
    strategy: o.Strategy = None,
    seed: o.Seed = None,
    set_: o.Set = None,
    quiet: o.Quiet = False,
) -> None:
    """Measure in one training run how an update on each task changes the loss of the others (TAG).

    `affinity[i][j]` is the effect of an update on task i on the loss of task j; positive helps.
    """
    from ..processes import is_first
    from ..runs.measure import measure_table

    given = o.data_options(
        targets,
        kind,
        weight,
        metric,
        features,
        ignore,
        id,
        split,
        missing,
        rare,
        group=group,
        time=time,
        validation=validation,
        test=test,
    ) | {
        "affinity": {key: value for key, value in (("estimator", estimator), ("every", every)) if value is not None}
        or None,
        "steps": steps,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "device": device,
        "devices": devices,
        "nodes": nodes,
        "strategy": strategy,
        "seed": seed,
    }
    config = o.resolve(data, given, set_)
    o.check_file_to_write(out)
    config.processes().launch(config.device)
    display = Terminal(quiet or not is_first())
    result = measure_table(config, display)
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
