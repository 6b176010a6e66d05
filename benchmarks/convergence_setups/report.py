"""The tables of a set-up. Test values of choices that validation made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import ttest_rel

from .experiment import Experiment
from .methods import METHODS, Method
from .rules import Record, end, kept, mean, own, returned, series

#: Evaluations over which the level right after a switch and at the end is averaged.
LEVEL = 5


@dataclass
class Row:
    """A method with one way to take its parameters, on all seeds.

    Attributes:
        values: Test metrics by task, per seed.
        one: All tasks are served by one checkpoint of one network.
    """

    name: str
    method: Method
    runs: list[Record]
    values: list[dict[str, float]]
    one: bool = True

    @property
    def scores(self) -> np.ndarray:
        """Mean over tasks, per seed."""
        return np.array([mean(values) for values in self.values])


def rows(experiment: Experiment) -> list[Row]:
    """All methods whose runs are complete."""
    found = []
    for method in METHODS.values():
        runs = experiment.complete(method)
        if not runs:
            continue

        def add(what: str, index: Callable[[Record, Method], int], method: Method = method, runs: list = runs) -> None:
            values = [series(run, method, "test")[index(run, method)] for run in runs]
            found.append(Row(f"{method.name}{what}", method, runs, values))

        def common(run: Record, method: Method) -> int:
            return returned(run, method, experiment.tasks)

        if not method.single:
            add(", last step", lambda run, method: end(run, method, experiment.tasks) - 1)
            add(", common checkpoint" if method.plain else "", common)
        if method.plain:
            found.append(Row(f"{method.name}, one checkpoint per task", method, runs,
                             [own_values(experiment, method, run) for run in runs], one=False))  # fmt: skip
    return found


def own_values(experiment: Experiment, method: Method, run: Record) -> dict[str, float]:
    """Test metric of every task at its own best evaluation."""
    values = series(run, method, "test")
    return {name: values[index][name] for name, index in own(run, method, experiment.tasks).items()}


def report(experiment: Experiment) -> str:
    """Markdown: the comparison, the tasks one by one, and what happened to peaks after the switch."""
    table = rows(experiment)
    if not table:
        return "no method is complete"
    plain = [row for row in table if row.name.endswith("common checkpoint")]
    base = max(plain, key=lambda row: row.scores.mean())
    lines = [
        f"{experiment.setup.name}: {len(experiment.seeds)} seeds, {len(experiment.tasks)} tasks; "
        f"the base is {base.name!r}, the best of the common checkpoints by test mean", "",
        "| method | lr, dropout | test mean | sd | minus base | relative | p | seeds won | last minus returned | steps "
        "| CPU time of all steps |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    lines += [comparison(experiment, row, base) for row in table]
    lines += ["", f"| method | {' | '.join(task.name for task in experiment.tasks)} |"]
    lines += ["|---" + "|---:" * len(experiment.tasks) + "|"]
    lines += [per_task(row) for row in table if "last step" not in row.name]
    lines += ["", "| method | tasks switched | first and last switch | peak kept, mean | lowest | below .99 "
              "| drift after the switch | worst task |", "|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    lines += [peaks(experiment, row) for row in table if row.one and "last step" not in row.name]
    return "\n".join(lines)


def comparison(experiment: Experiment, row: Row, base: Row) -> str:
    """One line of the first table."""
    scores, difference = row.scores, row.scores - base.scores
    p = f"{ttest_rel(row.scores, base.scores).pvalue:.3f}" if row is not base and len(scores) > 1 else ""
    learning_rate, dropout, _ = experiment.chosen(row.method) or (0, 0, 0)
    if row.one:
        ends = [end(run, row.method, experiment.tasks) for run in row.runs]
        last = [mean(series(run, row.method, "test")[at - 1]) for run, at in zip(row.runs, ends, strict=True)]
        gap = f"{np.mean(last - scores):+.4f}"
        steps = np.mean([at * run["evaluate_every"] for at, run in zip(ends, row.runs, strict=True)])
    else:
        gap, steps = "", np.mean([run["steps"] for run in row.runs])
    share = steps / experiment.setup.steps
    return (
        f"| {row.name} | {learning_rate:g}, {dropout:g} | {scores.mean():.4f} | {scores.std(ddof=1):.4f} "
        f"| {difference.mean():+.4f} | {100 * difference.mean() / base.scores.mean():+.2f} % | {p} "
        f"| {(difference > 0).sum()}/{len(scores)} | {gap} | {share:.2f} | {relative_seconds(experiment, row):.2f} |"
    )


def relative_seconds(experiment: Experiment, row: Row) -> float:
    """Median ratio of CPU times to those of equal weights with the same setting, seed and number of steps."""
    ratios = [
        run["seconds"] / experiment.runs[("equal", *key)]["seconds"]
        for (name, *key), run in experiment.runs.items()
        if name == row.method.trained_as and ("equal", *key) in experiment.runs
    ]
    return float(np.median(ratios)) if ratios else float("nan")


def per_task(row: Row) -> str:
    """Test means, task by task."""
    means = [np.mean([values[name] for values in row.values]) for name in row.values[0]]
    return f"| {row.name} | {' | '.join(f'{value:.4f}' for value in means)} |"


def peaks(experiment: Experiment, row: Row) -> str:
    """How much of the validation peaks the returned parameters keep, and where test metrics go after a switch."""
    shares, drifts, steps = [], [], []
    for run in row.runs:
        found = kept(run, row.method, experiment.tasks)
        shares += list(found.values())
        steps += list(run["switched"].values())
        drifts.append({name: drift(run, name, at, row.method) for name, at in run["switched"].items()})
    names = [task.name for task in experiment.tasks]
    by_task = {name: [d[name] for d in drifts if name in d and d[name] is not None] for name in names}
    means = {name: float(np.mean(values)) for name, values in by_task.items() if values}
    worst = min(means, key=lambda name: means[name]) if means else ""
    shown = f"{np.mean(list(means.values())):+.4f} | {worst} {means[worst]:+.4f}" if means else " | "
    low = f"{sum(share < 0.99 for share in shares)}/{len(shares)}"
    switched = f"{len(steps)}/{len(row.runs) * len(names)} | {f'{min(steps)}, {max(steps)}' if steps else ''}"
    return f"| {row.name} | {switched} | {np.mean(shares):.4f} | {min(shares):.4f} | {low} | {shown} |"


def drift(run: Record, name: str, at: int, method: Method) -> float | None:
    """Test metric of a task in the last evaluations of the budget minus that right after its switch."""
    values = [value[name] for value in series(run, method, "test")[at // run["evaluate_every"] :]]
    return float(np.mean(values[-LEVEL:]) - np.mean(values[:LEVEL])) if len(values) >= 2 * LEVEL else None
