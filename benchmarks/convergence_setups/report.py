"""The report of a set-up: its head, then all lines in detail."""

from __future__ import annotations

import numpy as np

from .experiment import Experiment
from .rows import Row, rows
from .rules import end
from .summary import against, last_minus_returned, strongest_baseline, summary


def report(experiment: Experiment) -> str:
    """Markdown: a summary, then the comparison with the strongest baseline, and the tasks one by one."""
    table = rows(experiment)
    if not any(row.baseline for row in table):
        return "no method is complete" if not table else "no baseline is complete"
    base = strongest_baseline(table)
    lines = [f"{experiment.setup.name}: {len(experiment.seeds)} seeds, {len(experiment.tasks)} tasks", ""]
    lines += summary(experiment, table)
    lines += ["", f"All lines, against {base.name!r}.", "",
              "| method | lr, dropout | test mean | sd | minus base | relative | p | Holm | seeds won "
              "| last minus returned | steps | CPU time of all steps |",
              "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    lines += [details(experiment, row, cells) for row, cells in zip(table, against(table, base), strict=True)]
    lines += ["", f"| method | {' | '.join(task.name for task in experiment.tasks)} |"]
    lines += ["|---" + "|---:" * len(experiment.tasks) + "|"]
    lines += [per_task(row) for row in table if not row.last_step]
    return "\n".join(lines)


def details(experiment: Experiment, row: Row, compared: str) -> str:
    """One line of the detailed table."""
    learning_rate, dropout, _ = experiment.chosen(row.method) or (0, 0, 0)
    if row.one:
        gap = f"{last_minus_returned(experiment, row):+.4f}"
        ends = [end(run, row.method, experiment.tasks) * run["evaluate_every"] for run in row.runs]
        share = np.mean(ends) / experiment.setup.steps
    else:
        gap, share = "", np.mean([run["steps"] for run in row.runs]) / experiment.setup.steps
    return (
        f"| {row.name} | {learning_rate:g}, {dropout:g} | {row.scores.mean():.4f} | {row.scores.std(ddof=1):.4f} "
        f"| {compared} | {gap} | {share:.2f} | {relative_seconds(experiment, row):.2f} |"
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
