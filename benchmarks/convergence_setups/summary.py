"""The head of a report: every method against the baselines, and what became of peaks after the switch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polytask.comparison.statistics import paired_tests

from .experiment import Experiment
from .rows import Row
from .rules import Record, end, kept, mean, series

#: Evaluations over which the level right after a switch and at the end is averaged.
LEVEL = 5
#: A peak counts as kept from this share.
KEPT = 0.99


def summary(experiment: Experiment, table: Sequence[Row]) -> list[str]:
    """Lines of Markdown; validation makes one choice of a baseline, test the strongest one."""
    plain = [row for row in table if row.baseline]
    if not plain:
        return ["no baseline is complete"]
    fair, strongest = max(plain, key=lambda row: row.validation), strongest_baseline(table)
    lines = [
        "Baselines are plain trainings with one network at their best common checkpoint. Validation chooses "
        f"{fair.name!r}, the strongest by test is {strongest.name!r}. Paired t-tests over {len(experiment.seeds)} "
        "seeds, with Holm's correction over the lines.",
    ]
    rows = [row for row in table if not row.last_step and (row.one or row.method.balancer == "equal")]
    for base in dict.fromkeys((fair.name, strongest.name)):
        lines += ["", f"| against {base} | test mean | difference | relative | p | Holm | seeds won |",
                  "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
        compared = against(rows, fair if base == fair.name else strongest)
        lines += [
            f"| {row.name} | {row.scores.mean():.4f} | {cells} |" for row, cells in zip(rows, compared, strict=True)
        ]
    switched = [row for row in rows if any(run["switched"] for run in row.runs)]
    return lines + after_switch(experiment, switched) if switched else lines


def after_switch(experiment: Experiment, switched: Sequence[Row]) -> list[str]:
    """Lines on what became of the peaks."""
    names = [task.name for task in experiment.tasks]
    return [
        "",
        "After the switch, of the returned parameters; peaks on validation, where they were picked. Trend: test, mean "
        f"of the last {LEVEL} evaluations minus that of the first {LEVEL} after the switch.",
        "",
        f"| method | tasks switched | first and last switch | peak kept, mean | worst | below {KEPT} "
        "| last step minus returned | trend | worst task |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(peaks(experiment, row) for row in switched),
        "",
        f"| peak kept: mean, worst | {' | '.join(names)} |",
        "|---" + "|---:" * len(names) + "|",
        *(kept_by_task(experiment, row) for row in switched),
    ]


def strongest_baseline(table: Sequence[Row]) -> Row:
    """The best of the plain common checkpoints by test mean."""
    return max((row for row in table if row.baseline), key=lambda row: row.scores.mean())


def against(rows: Sequence[Row], base: Row) -> list[str]:
    """Cells of every row: difference to ``base``, the same in per cent of it, p, corrected p, and seeds won."""
    others = [row for row in rows if row is not base]
    found = paired_tests([row.scores for row in others], base.scores)
    tests = dict(zip((row.name for row in others), found, strict=True))
    cells = []
    for row in rows:
        if row is base:
            cells.append("+0.0000 | | | |")
            continue
        test = tests[row.name]
        won = f"{(row.scores > base.scores).sum()}/{len(row.scores)}"
        relative = 100 * test.difference / base.scores.mean()
        cells.append(f"{test.difference:+.4f} | {relative:+.2f} % | {test.p:.3f} | {test.p_holm:.3f} | {won}")
    return cells


def last_minus_returned(experiment: Experiment, row: Row) -> float:
    """Mean over seeds of the test mean at the last evaluation minus that of the returned one."""
    ends = [end(run, row.method, experiment.tasks) for run in row.runs]
    last = [mean(series(run, row.method, "test")[at - 1]) for run, at in zip(row.runs, ends, strict=True)]
    return float(np.mean(last - row.scores))


def peaks(experiment: Experiment, row: Row) -> str:
    """How much of the validation peaks the returned parameters keep, and where test metrics go after a switch."""
    names = [task.name for task in experiment.tasks]
    shares = [share for run in row.runs for share in kept(run, row.method, experiment.tasks).values()]
    steps = [step for run in row.runs for step in run["switched"].values()]
    trends: dict[str, list[float]] = {name: [] for name in names}
    for run in row.runs:
        for name, at in run["switched"].items():
            if (value := trend(run, name, at, row)) is not None:
                trends[name].append(value)
    means = {name: float(np.mean(values)) for name, values in trends.items() if values}
    worst = min(means, key=lambda name: means[name]) if means else ""
    shown = f"{np.mean(list(means.values())):+.4f} | {worst} {means[worst]:+.4f}" if means else " | "
    low = f"{sum(share < KEPT for share in shares)}/{len(shares)}"
    of_peaks = f"{np.mean(shares):.4f} | {min(shares):.4f} | {low}" if shares else " | | "
    return (
        f"| {row.name} | {len(steps)}/{len(row.runs) * len(names)} | {min(steps)}, {max(steps)} | {of_peaks} "
        f"| {last_minus_returned(experiment, row):+.4f} | {shown} |"
    )


def trend(run: Record, name: str, at: int, row: Row) -> float | None:
    """Test metric of a task in the last evaluations of the budget minus that right after its switch."""
    values = [value[name] for value in series(run, row.method, "test")[at // run["evaluate_every"] :]]
    return float(np.mean(values[-LEVEL:]) - np.mean(values[:LEVEL])) if len(values) >= 2 * LEVEL else None


def kept_by_task(experiment: Experiment, row: Row) -> str:
    """Mean and worst share of the peak over the seeds in which the task had converged."""
    found = [kept(run, row.method, experiment.tasks) for run in row.runs]
    cells = []
    for task in experiment.tasks:
        shares = [shares[task.name] for shares in found if task.name in shares]
        cells.append(f"{np.mean(shares):.3f}, {min(shares):.3f}" if shares else "")
    return f"| {row.name} | {' | '.join(cells)} |"
