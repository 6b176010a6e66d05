"""``polytask compare``: methods against each other on one budget."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..display.terminal import Terminal
from ..errors import UserError
from . import options as o
from .app import command
from .outcome import figure

HEADER = ["method", "mean skill", "against the reference", "\u0394m %", "mean rank", "seconds", "failed"]
Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", help="parallel processes; 0: train in this one [default: one per GPU, or per core]"),
]
Ray = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="address of a Ray cluster, or local", show_default=False)
]


@command(
    epilog="**Examples**\n\n`polytask compare study.yaml --out studies/first`\n\n"
    "`polytask compare digits --out studies/digits --set seeds=3 --set trials=4`\n\n"
    "A study is YAML: `base` has keys of `polytask fit`, `methods` names sets of keys on top of it, such as "
    "`methods: {dwa: {balance: dwa}, joint: {convergence: {converge: joint}}}`; also `setups`, `seeds`, `trials`, "
    "`search`, `baselines`, `reference`, `test`. The same command continues a killed comparison; after a change it "
    "trains only what is new."
)
def compare(
    config: Annotated[
        str, typer.Argument(metavar="STUDY", help="study (.yaml), or the name of a built-in one", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="folder of the comparison", show_default=False)
    ] = None,
    jobs: Jobs = None,
    ray: Ray = None,
    set_: o.Set = None,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Compare methods over seeds, all with the same budget: table, tests, costs, and one page.

    Single-task networks, equal weights, tuned static weights and gradient-boosted trees are included unless
    switched off (`--set baselines.trees=false`). Tests flip the signs of differences between seeds: five seeds are too
    few for significance; eight or nine can show a difference on which all seeds agree.
    """
    from ..comparison.compare import compare as run
    from ..comparison.config import flat_keys, read_comparison
    from ..comparison.setups import find_setup
    from ..comparison.significance import notes

    if out is None:
        raise UserError("--out: give the folder of the comparison, such as --out studies/first")
    display = Terminal(quiet, json)
    path = find_setup(config)
    study, where = read_comparison(path, set_ or ())
    pool, _ = make_pool(jobs, ray)
    results = run(study, out, where=where, pool=pool, display=display)
    o.say_flat(flat_keys(path, set_ or ()), display)
    if json:
        print(jsonlib.dumps(results, indent=1, ensure_ascii=False))
        return
    for setup, found in results["setups"].items():
        display.table(f"{setup}, test split", HEADER, list(_rows(found, results["overall"])))
        for note in notes(found, results["config"]):
            display.result(f"{setup}: {note}")
    overall = results["overall"]
    for method, test in overall["tests"]["skill"].items():
        display.result(f"over all set-ups: {method}: {test['verdict']}, p {test['p_holm']:.2g}")
    for group in overall.get("cliques", ()):
        display.result(f"mean ranks not significantly different (Nemenyi): {', '.join(group)}")
    display.result(f"report: {out / 'report.html'}")


def _rows(setup: dict[str, Any], overall: dict[str, Any]) -> Iterator[list[str]]:
    statistics = setup["statistics"]
    tests, deltas = statistics["tests"], (statistics["delta_m"] or {}).get("methods", {})
    for method in setup["methods"]:
        cost = statistics["cost"][method]
        verdict = tests["skill"].get(method, {}).get("verdict", "the reference")
        yield [
            method,
            _interval(statistics["skill"][method], 3),
            verdict,
            _interval(deltas.get(method, {}), 1),
            figure(overall["mean_rank"].get(method), 2),
            f"{cost['total_seconds']:.0f}",
            str(cost["failed"] or ""),
        ]


def _interval(found: dict[str, Any], digits: int) -> str:
    if found.get("mean") is None:
        return "-"
    if found["low"] is None:
        return f"{found['mean']:.{digits}f}"
    return f"{found['mean']:.{digits}f} ({found['low']:.{digits}f} to {found['high']:.{digits}f})"


def make_pool(jobs: int | None, ray: str | None) -> tuple[Any, int]:
    """Where runs are done, and how many at once."""
    from ..comparison.pools import InProcess, ProcessPool, RayCluster
    from ..processes.workers import default_jobs

    if jobs is not None and jobs < 0:
        raise UserError(f"--jobs: expected at least 0, found {jobs}")
    if jobs is not None and ray is not None:
        raise UserError("--jobs: has no effect with --ray, which uses all of the cluster; leave one of them out")
    if ray is not None:
        cluster = RayCluster(ray)
        return cluster, cluster.cores
    jobs = default_jobs() if jobs is None else jobs
    return (ProcessPool(jobs), jobs) if jobs else (InProcess(), 1)
