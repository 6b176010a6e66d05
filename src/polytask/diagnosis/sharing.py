"""What the tasks do to each other: starved, dominated, in conflict, converged before the others helped."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import numpy as np

from ..records.run import Run
from ..reporting.outcome import Row, rows
from ..task.gain import best_of, gain
from .advice import (
    OF_CONFLICT,
    OF_LOUDNESS,
    balance,
    kd_weight,
    more_weight,
    networks,
    patience,
    quoted,
    steps,
    weight,
    wider,
)
from .chance import confirmed, error_on_validation
from .finding import Finding
from .loudness import loudest

#: A task worse than its single-task model by more than this share is starved.
STARVED = 0.02
#: A task of which less of the peak is kept has lost it.
KEPT = 0.9
#: A conflict undoes at least this share of what an update on the task itself gains.
UNDONE = 0.05


def starved(run: Run) -> Iterator[Finding]:
    """Tasks that are clearly worse than alone, on validation."""
    found = []
    for row in rows(run):
        if alone := row.others.get("single_task"):
            change = gain(row.ours.validation, alone.validation, row.direction, row.trivial)
            behind = change is not None and change.relative is not None and change.relative < -STARVED
            if change and behind and confirmed(run, "single_task", row.task, change.difference):
                found.append((row, alone, change))
    if found:
        seen = (
            f"{r.task} {r.metric} {r.ours.validation:.4g} against {a.validation:.4g} alone{_labels(run, r.task)}"
            for r, a, _ in found[:5]
        )
        worst = min(found, key=lambda pair: pair[2].relative or 0.0)[0].task
        more = [f"twice the width ({quoted(setting)})" for setting in wider(run)]
        more += [quoted(networks(run)), *(f"more weight ({quoted(setting)})" for setting in more_weight(run, worst, 2))]
        yield Finding(
            "starved",
            tuple(row.task for row, _, _ in found),
            "; ".join(seen),
            f"{', '.join(more)} or a method with per-task gradients ({quoted(balance(run, OF_CONFLICT))}; "
            "`polytask methods` has others)",
        )


def _labels(run: Run, task: str) -> str:
    """How many labels it has, and how many the task with the most."""
    own, most = run.log.labels.get(task), max(run.log.labels.values(), default=0)
    if own is None:
        return ""
    return f" ({own:,} training labels{f', others up to {most:,}' if most > own else ''})"


def peak_lost(run: Run) -> Iterator[Finding]:
    """Tasks that were clearly better at another moment than in the network that was returned."""
    found = [
        row
        for row in rows(run)
        if row.kept is not None and row.kept < KEPT and row.task not in run.held and _lost(run, row)
    ]
    if found:
        seen = (
            f"{r.task} {r.metric} {r.ours.validation or float('nan'):.4g} in the network that was returned, "
            f"{r.peak or float('nan'):.4g} at its peak ({r.kept:.0%} kept)"
            for r in found[:5]
        )
        worst = min(found, key=lambda row: row.kept or 0.0).task
        joint = ["--converge joint"] if run.config.get("converge") == "off" else [steps(run, 2)]
        yield Finding(
            "peak lost",
            tuple(row.task for row in found),
            "; ".join(seen),
            f"{' or '.join(map(quoted, [*joint, networks(run)]))}; if one task matters most, "
            f"{quoted('--set ' + shlex.quote(f'select_by=task.{worst}'))}",
        )


def _lost(run: Run, row: Row) -> bool:
    """The way from the peak exceeds what the sampling of the validation rows explains."""
    change = gain(row.ours.validation, row.peak, row.direction)
    return change is None or -change.difference > error_on_validation(run, row.task)


def forgotten(run: Run) -> Iterator[Finding]:
    """Tasks of an earlier run that are clearly worse than they were before others were added."""
    found = []
    for row in rows(run):
        if before := row.others.get("before"):
            change = gain(row.ours.validation, before.validation, row.direction, row.trivial)
            behind = change is not None and change.relative is not None and change.relative < -STARVED
            if change and behind and confirmed(run, "before", row.task, change.difference):
                found.append((row, before))
    if found:
        seen = (f"{r.task} {r.ours.validation:.4g}, before {b.validation:.4g}" for r, b in found[:5])
        yield Finding(
            "forgotten",
            tuple(row.task for row, _ in found),
            "; ".join(seen),
            f"{quoted('--set training.freeze=encoder')}, "
            f"{quoted(f'--set convergence.kd_weight={3 * kd_weight(run):g}')} or "
            f"{quoted('--set training.parts.shared.learning_rate=0.0001')}",
        )


def dominated(run: Run) -> Iterator[Finding]:
    """Networks in which one loss is most of the sum."""
    for found in loudest(run):
        less = max(1 - found.share, 1e-3) / found.share
        yield Finding(
            "dominated",
            (found.task,),
            f"in {found.training} the loss of {found.task} is {found.share:.0%} of the weighted sum of {found.tasks}",
            f"a method that balances losses ({quoted(balance(run, OF_LOUDNESS))}), or a smaller weight for it "
            f"({quoted(weight(run, found.task, less))})",
        )


def conflict(run: Run) -> Iterator[Finding]:
    """Pairs in one network of which each makes the other worse."""
    if run.affinity is None:
        return
    tasks = run.affinity.tasks
    values = np.array([[np.nan if v is None else v for v in row] for row in run.affinity.values], float)
    own = values.diagonal().copy()
    np.fill_diagonal(values, np.nan)
    size = np.nanmedian(np.abs(values)) if np.isfinite(values).any() else np.nan
    undone = -values / np.where(own > 0, own, np.nan)  # [i, j]: of what an update on j gains, one on i undoes
    highest = _highest(run, values)
    served = {task: run.networks_of(task)[:1] for task in run.tasks}
    pairs = [
        (i, j)
        for i in range(len(tasks))
        for j in range(i)
        if max(values[i, j], values[j, i]) < -0.5 * size
        and served.get(tasks[i]) == served.get(tasks[j])
        and not min(undone[i, j], undone[j, i]) < UNDONE
        and max(highest[i, j], highest[j, i]) < 0
    ]
    if pairs:
        worst = sorted(pairs, key=lambda pair: values[pair] + values[pair[::-1]])

        def says(i: int, j: int) -> str:
            if np.isfinite([undone[i, j], undone[j, i]]).all():
                return (f"one on {tasks[i]} undoes {undone[i, j]:.0%} of what one on {tasks[j]} gains, and the other "
                        f"way round {undone[j, i]:.0%}")  # fmt: skip
            return f"{tasks[i]} and {tasks[j]} ({values[i, j]:+.2g}, {values[j, i]:+.2g}; typical size {size:.2g})"

        many = f"{len(pairs)} pairs" if len(pairs) > 1 else "a pair"
        yield Finding(
            "conflict",
            tuple(dict.fromkeys(tasks[place] for pair in worst for place in pair)),
            f"an update on one raises the loss of the other in {many} of one network: "
            + "; ".join(says(*pair) for pair in worst[:3]),
            " or ".join(
                map(quoted, [*wider(run), *_apart(run, tasks, worst[0]), networks(run), balance(run, OF_CONFLICT)])
            ),
        )


def _highest(run: Run, values: np.ndarray) -> np.ndarray:
    """``[K, K]`` upper ends of the intervals of affinities, where resamples gave them; else the affinities."""
    found = np.array((run.selection.get("stability") or {}).get("high") or np.nan, float)
    return found if found.shape == values.shape else values


def _apart(run: Run, tasks: list[str], pair: tuple[int, int]) -> list[str]:
    """Separate networks, unless the run states which tasks belong in one group."""
    if run.config.get("together") or networks(run) == "--networks auto":
        return []
    return [f"--apart {shlex.quote(','.join(tasks[place] for place in pair))}"]


def converged_early(run: Run) -> Iterator[Finding]:
    """Tasks that a plain training of this run brought clearly beyond the peak at which they were frozen."""
    found = []
    for row in rows(run):
        if row.converged_epoch is None:
            continue
        for name, training in run.log.trainings.items():
            if not (name == "all_in_one" or name.startswith("single_task")) or row.task not in training.tasks:
                continue
            later = [value for epoch, value in training.curve(row.task) if epoch > row.converged_epoch]
            best = best_of(later, row.direction)
            change = gain(best, row.peak, row.direction)
            ahead = change is not None and change.relative is not None and change.relative > STARVED
            if change and ahead and change.difference > error_on_validation(run, row.task):
                found.append((row, name, best))
                break
    if found:
        seen = (
            f"{r.task} froze at {r.peak:.4g} in epoch {r.converged_epoch:g}, {n} reached {b:.4g} later"
            for r, n, b in found[:5]
        )
        yield Finding(
            "converged early",
            tuple(row.task for row, _, _ in found),
            "; ".join(seen),
            " or ".join(quoted(setting) for setting in [*patience(run), "--converge off"]),
        )
