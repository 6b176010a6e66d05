"""What the validation curves say about steps, learning rate, noise and overfitting."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..records.run import Run
from ..task import KINDS
from ..task.gain import LEAST_SKILL
from .advice import against_overfitting, dropout, more_validation, more_weight, patience, quoted, steps
from .advice import learning_rate as rate
from .finding import Finding
from .task_curve import TaskCurve, task_curves

#: An evaluation's noise above this share of all that was learned makes the choice of a peak a matter of luck.
MUCH_NOISE = 0.05
#: A fall from the peak counts beyond this many standard deviations of the noise.
CLEARLY = 3.0
#: A rise from one third of the evaluations to the next counts from this share of all that was learned.
WORTH_WHILE = 0.02
#: A training loss that has fallen by less has hardly moved.
SLOW = 0.15
#: A training loss above this many times that of a constant prediction shows a learning rate that is too high.
MANY_TIMES = 3.0
#: Below that a share of the rows is known to 5 points at best.
FEW_ROWS = 100


def diverged(run: Run) -> Iterator[Finding]:
    """Trainings that diverged, and went back to their last evaluation."""
    for name, training in run.log.trainings.items():
        for number, (step, what) in enumerate(training.diverged):
            last = number == len(training.diverged) - 1 and not training.ended
            after = (
                "the training ended" if last else "it continued from its last evaluation with half the learning rate"
            )
            advice = (
                f"{quoted(rate(run, 0.1))}, or {quoted('--set training.warmup=100', '--set training.gradient_clip=1')}"
            )
            evidence = f"{name}: {what} diverged at step {step:g}; {after}"
            yield Finding("diverged", tuple(training.tasks), evidence, advice)


def nothing_learned(run: Run) -> Iterator[Finding]:
    """Tasks that never left the level of a constant prediction."""

    def flat(curve: TaskCurve) -> bool:
        return curve.learned <= LEAST_SKILL * max(abs(curve.trivial), 1.0)

    yield from _about(
        run,
        "nothing learned",
        flat,
        lambda curve: f"{curve.task} at best {curve.learned:+.3g} over a constant prediction",
        lambda found: (
            f"check the columns: do they contain anything about this target? If so, {_more(run, found[0].task)}; "
            "otherwise leave it out"
        ),
    )


def _more(run: Run, task: str) -> str:
    louder = [f"more weight ({quoted(setting)})" for setting in more_weight(run, task, 3)]
    return " or ".join([*louder, f"more steps ({quoted(steps(run, 2))})"])


def too_few_steps(run: Run) -> Iterator[Finding]:
    """Tasks that were still improving when the budget ended, if the learning rate is not to blame."""
    if not _slow(run) and not _exploded(run):
        yield from _about(
            run,
            "too few steps",
            _rising,
            lambda curve: f"{curve.task} was best at {curve.best}",
            lambda found: quoted(steps(run, 2)),
        )


def learning_rate(run: Run) -> Iterator[Finding]:
    """Training losses far above those of a constant prediction, or that hardly move, or tasks that are best almost at
    once and then fall."""
    curves = list(task_curves(run))
    if exploded := _exploded(run):
        seen = ", ".join(f"{curve.task} {worst:.3g} against {least:.2g}" for curve, worst, least in exploded[:5])
        yield _of_rate(
            [curve for curve, _, _ in exploded],
            f"too high: training losses have been far above those of a constant prediction: {seen}",
            f"{quoted(rate(run, 0.1))}, or {quoted('--set training.warmup=100', '--set training.gradient_clip=1')}",
        )
    elif _slow(run) and not any(training.diverged for training in run.log.trainings.values()):
        falls = ", ".join(f"{curve.task} by {curve.fall:.0%}" for curve in curves[:5])
        yield _of_rate(
            curves,
            f"too low: still improving at the end, while training losses have hardly fallen: {falls}",
            f"{quoted(rate(run, 10))}; more steps would take as many times longer",
        )
    elif 2 * len(found := [curve for curve in curves if _falls(curve)]) >= max(1, len(curves)):
        peaks = ", ".join(f"{curve.task} at {curve.best}" for curve in found[:5])
        yield _of_rate(
            found,
            f"best almost at once, then falling: {peaks}",
            quoted(rate(run, 1 / 3), *dropout(run)),
        )


def _of_rate(curves: list[TaskCurve], evidence: str, advice: str) -> Finding:
    return Finding("learning rate", tuple(curve.task for curve in curves), evidence, advice)


def _exploded(run: Run) -> list[tuple[TaskCurve, float, float]]:
    """Curves with their highest training loss and that of a constant prediction, where it was far below."""
    found = []
    for curve in task_curves(run):
        kind = KINDS.get(str(run.results["tasks"][curve.task].get("kind")))
        constant = kind.constant_loss if kind else None
        worst = float(np.nanmax(curve.losses, initial=0.0))
        if constant and curve.task not in (run.config.get("losses") or {}) and worst > MANY_TIMES * constant:
            found.append((curve, worst, constant))
    return found


def _slow(run: Run) -> bool:
    """Most tasks are still rising, and most training losses have hardly moved."""
    curves = list(task_curves(run))
    rising = sum(_rising(curve) for curve in curves)
    return bool(curves) and 2 * rising >= len(curves) and float(np.median([curve.fall for curve in curves])) < SLOW


def _rising(curve: TaskCurve) -> bool:
    third = len(curve.values) // 3
    rise = curve.values[-third:].mean() - curve.values[-2 * third : -third].mean()
    late = curve.peak >= 0.9 * (len(curve.values) - 1)
    clearly = rise > max(CLEARLY * curve.noise, WORTH_WHILE * curve.learned)
    return curve.whole_budget and curve.share > 0.9 and late and clearly


def _falls(curve: TaskCurve) -> bool:
    early = curve.peak <= len(curve.values) // 10
    return early and curve.values[curve.peak] - curve.values[-1] > _clear_fall(curve)


def _clear_fall(curve: TaskCurve) -> float:
    """The least fall from the peak that neither the noise of evaluations nor the sampling of rows explains."""
    return max(CLEARLY * curve.noise, 0.02 * curve.learned, curve.error)


def noisy_validation(run: Run) -> Iterator[Finding]:
    """Tasks whose validation metric jumps so much that its peak is partly luck, and validation parts of few rows."""
    rows = run.log.rows.get("validation", FEW_ROWS)
    if rows < FEW_ROWS:
        yield Finding(
            "noisy validation",
            tuple(run.tasks),
            f"on {rows} validation rows the standard error of an accuracy is up to {0.5 / max(rows, 1) ** 0.5:.2g}",
            f"{more_validation(run)}, or several runs with different seeds ({quoted('--seed 1')})",
        )
    yield from _about(
        run,
        "noisy validation",
        lambda curve: curve.learned > 0 and curve.noise > MUCH_NOISE * curve.learned,
        lambda curve: f"{curve.task} +-{curve.noise:.2g} between evaluations, {curve.learned:.2g} gained in total",
        lambda found: ", or ".join([more_validation(run), *map(quoted, patience(run))]),
    )


def overfitting(run: Run) -> Iterator[Finding]:
    """Tasks whose training loss continues falling while validation falls."""

    def overfits(curve: TaskCurve) -> bool:
        fall = curve.values[curve.peak] - curve.values[-3:].mean()
        loss = curve.losses[curve.peak] - curve.losses[-1]
        learns_on = bool(np.isfinite(loss)) and loss > 0.1 * abs(curve.losses[curve.peak])
        return learns_on and fall > _clear_fall(curve)

    yield from _about(
        run,
        "overfitting",
        overfits,
        lambda curve: (
            f"{curve.task} fell by {curve.values[curve.peak] - curve.values[-1]:.2g} after its peak while its training "
            f"loss went from {curve.losses[curve.peak]:.3g} to {curve.losses[-1]:.3g}"
        ),
        lambda found: ", or ".join(map(quoted, against_overfitting(run))),
    )


def _about(
    run: Run,
    kind: str,
    applies: Callable[[TaskCurve], bool],
    says: Callable[[TaskCurve], str],
    advice: Callable[[list[TaskCurve]], str],
) -> Iterator[Finding]:
    """One finding for all tasks to which it applies."""
    found = [curve for curve in task_curves(run) if applies(curve)]
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        evidence = "; ".join(says(curve) for curve in found[:5]) + more
        yield Finding(kind, tuple(curve.task for curve in found), evidence, advice(found))
