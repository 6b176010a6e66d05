"""``polytask fit``: the whole way, from a table to networks, figures and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UserError
from . import options as o
from .app import command
from .display import Terminal
from .outcome import show_results


@command(
    epilog="**Examples**\n\n"
    "`polytask fit customers.csv --targets click,purchase,spend --out runs/first`\n\n"
    "`polytask fit assays.parquet --targets a,b,c --networks 2 --balance dwa --out runs/two`\n\n"
    "`polytask fit study.yaml --set model.hidden=[512,128] --out runs/wide`\n\n"
    "`polytask fit customers.csv --targets click,purchase,spend --out runs/first --resume`\n\n"
    "`polytask fit later.csv --from runs/first --targets returned --out runs/second`"
)
def fit(
    data: o.DataOrConfig = None,
    targets: o.Targets = None,
    out: Annotated[Path | None, typer.Option(help="folder of the run", show_default=False)] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="add the targets to the networks of this finished run")
    ] = None,
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
    networks: Annotated[str | None, typer.Option(help="most networks to train; or auto, or single_task")] = None,
    grouping: Annotated[
        str | None,
        typer.Option(
            help="tag, cosine, hoa, grad_tag, stg, exhaustive, random, given, all_in_one or one_per_task [default: tag]"
        ),
    ] = None,
    groups: Annotated[str | None, typer.Option(help='"a,b;c,d": your own groups, with --grouping given')] = None,
    max_size: Annotated[int | None, typer.Option(help="most tasks in a network")] = None,
    together: Annotated[list[str] | None, typer.Option(help="A,B: one network is to serve them; repeatable")] = None,
    apart: Annotated[list[str] | None, typer.Option(help="A,B: no network is to hold two of them; repeatable")] = None,
    max_cost: Annotated[int | None, typer.Option(help="most networks that auto may train after the choice")] = None,
    balance: Annotated[str | None, typer.Option(help="balancing method, see `polytask methods`")] = None,
    converge: Annotated[str | None, typer.Option(help="joint or sequential: every task keeps its peak; or off")] = None,
    distill: Annotated[
        str | None, typer.Option(help="mtlkd, okd or scd: learn from single-task models; or off [default: off]")
    ] = None,
    teachers: Annotated[
        str | None, typer.Option(help="folder that keeps single-task models for other runs", show_default=False)
    ] = None,
    baselines: Annotated[
        bool | None, typer.Option("--baselines/--no-baselines", help="train what to compare with", show_default=False)
    ] = None,
    sharing: Annotated[
        str | None, typer.Option(help="hard, mmoe, cgc, ple, cross_stitch or mtan [default: hard]")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="mlp, resnet, ft_transformer, tabm or hf:FOLDER; or package.module:Class of your own [default: mlp]"
        ),
    ] = None,
    steps: o.Steps = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = None,
    learning_rate: o.LearningRate = None,
    device: o.Device = None,
    jobs: Annotated[
        int | None, typer.Option(help="networks that train side by side, a process each [default: 1]")
    ] = None,
    devices: o.Devices = None,
    nodes: o.Nodes = None,
    strategy: o.Strategy = None,
    seed: o.Seed = None,
    report_to: Annotated[str | None, typer.Option(help="tensorboard, mlflow, or both with a comma")] = None,
    set_: o.Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue an interrupted run bit for bit")] = False,
    trust: o.Trust = False,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Train the networks for a table with many targets, and show how good they are.

    Measures which tasks help each other, chooses the networks, lets every task keep its peak, compares with single-task
    models and one plain network for all, and writes weights, figures and `report.html` into the folder of the run.
    """
    from ..processes import is_first
    from ..runs import RunFolder, fit_run
    from ..runs.encoders import check_offline, check_trusted

    if out is None:
        raise UserError("--out: give the folder of the run, such as --out runs/first")
    given: dict[str, Any] = o.data_options(
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
        "from": from_,
        "networks": int(networks) if networks is not None and networks.lstrip("-").isdigit() else networks,
        "grouping": grouping,
        "groups": None if groups is None else [o.names(group, "--groups") for group in groups.split(";")],
        "max_size": max_size,
        "together": [o.names(group, "--together") for group in together] if together else None,
        "apart": [o.names(group, "--apart") for group in apart] if apart else None,
        "max_cost": max_cost,
        "balance": balance,
        "converge": converge,
        "distill": distill,
        "teachers": teachers,
        "baselines": baselines,
        "sharing": sharing,
        "encoder": encoder,
        "steps": steps,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "device": device,
        "jobs": jobs,
        "devices": devices,
        "nodes": nodes,
        "strategy": strategy,
        "seed": seed,
        "report_to": o.names(report_to, "--report-to"),
    }
    if data is None:
        if not resume:
            raise UserError("DATA: give a table or a configuration; only a run that is resumed can do without")
        config = o.resolve(RunFolder.open(out).config, given, set_)
        check_trusted(config.encoder, out, trust or encoder is not None)
        check_offline(config.encoder, out, trust or encoder is not None)
    else:
        config = o.resolve(data, given, set_)
    config.processes().launch(config.device)
    display = Terminal(quiet or not is_first(), json)
    results = fit_run(config, out, resume=resume, display=display, trust=trust)
    if is_first():
        show_results(results, display, out, json)
