"""``polytask tune``: search of settings and static weights."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from ..display.terminal import Terminal
from ..errors import UserError
from . import options as o
from .app import command
from .compare import Jobs, Ray, make_pool


@command(
    epilog="**Examples**\n\n`polytask tune search.yaml --out searches/first`\n\n"
    "`polytask tune search.yaml --out searches/first --set trials=40 --jobs 2`\n\n"
    "A search is YAML: `base` has keys of `polytask fit`, `search` has ranges such as "
    "`training.learning_rate: {low: 1e-4, high: 1e-2, log: true}` or `balance: {choices: [equal, dwa]}`; also "
    "`weights: true`, `objectives`, `trials`, `sampler`. The same command continues a search, and with more "
    "`trials` extends it. The base is tried first, and stays unless a trial is better beyond chance. Afterwards: "
    "`polytask fit searches/first/best.yaml --out RUN`."
)
def tune(
    config: Annotated[Path, typer.Argument(metavar="SEARCH", help="search (.yaml)", show_default=False)],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="folder of the search", show_default=False)] = None,
    jobs: Jobs = None,
    ray: Ray = None,
    set_: o.Set = None,
    quiet: o.Quiet = False,
    json: o.Json = False,
) -> None:
    """Tune static weights and settings on validation, for one objective or the Pareto front of several.

    Optuna's study is kept in `study.db`; the test split is not read.
    """
    from ..comparison.config import flat_keys
    from ..comparison.tune import read_tuning
    from ..comparison.tune import tune as run

    if out is None:
        raise UserError("--out: give the folder of the search, such as --out searches/first")
    display = Terminal(quiet, json)
    search = read_tuning(config, list(set_ or ()), out, display)
    pool, side_by_side = make_pool(jobs, ray)
    results = run(search, out, pool=pool, jobs=side_by_side, display=display)
    o.say_flat(flat_keys(config, set_ or ()), display)
    if json:
        print(jsonlib.dumps(results, indent=1, ensure_ascii=False))
        return
    objectives, base = results["objectives"], results["base"]
    trials = {trial["number"]: trial for trial in results["trials"]}
    rows = [
        [str(number), *(f"{trials[number]['values'][name]:.4g}" for name in objectives), _settings(trials[number])]
        for number in results["front"]
    ]
    if base is not None:
        rows.append(["base", *("-" if base[name] is None else f"{base[name]:.4g}" for name in objectives), "its own"])
    display.table("front, on validation", ["trial", *objectives, "settings"], rows)
    display.result(f"{_choice(results)}; polytask fit {out / 'best.yaml'} --out RUN")


def _choice(results: dict) -> str:
    """Which settings are in ``best.yaml``, and why.

    Example:
        >>> gain = {"value": 0.004, "error": 0.01}
        >>> _choice({"objectives": ["spend"], "best": None, "highest": 7, "gain": gain})
        'no trial is better than the base beyond chance (the best, trial 7: spend +0.0040 ±0.0196), so the base stays'
    """
    objective, gain = results["objectives"][0], results["gain"]
    found = "" if gain is None else f"{objective} {gain['value']:+.4f} ±{1.96 * gain['error']:.4f}"
    if results["best"] is None and gain is None:
        return "no trial is better than the base, so the base stays"
    if results["best"] is None:
        return (
            f"no trial is better than the base beyond chance (the best, trial {results['highest']}: {found}), so the "
            "base stays"
        )
    over = f" ({found} over the base, beyond chance)" if found and results["best"] == results["highest"] else ""
    return f"best by {objective}: trial {results['best']}{over}"


def _settings(trial: dict) -> str:
    return ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in trial["settings"].items())
