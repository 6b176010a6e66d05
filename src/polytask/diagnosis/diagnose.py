"""All checks of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import UserError
from ..records.run import Run, read_run
from .below_constant import below_constant
from .data import drift, idle_text, leak, weak_split
from .finding import Finding
from .heavy_tails import heavy_tails
from .ids_as_features import ids_as_features
from .learning import diverged, learning_rate, noisy_validation, nothing_learned, overfitting, too_few_steps
from .related_targets import related_targets
from .repeated_rows import repeated_rows
from .sharing import conflict, converged_early, dominated, forgotten, peak_lost, starved
from .useless_classes import useless_classes

#: In the order in which an expert would speak: what spoils everything comes first.
CHECKS: tuple[Callable[[Run], Iterator[Finding]], ...] = (
    leak,
    related_targets,
    repeated_rows,
    ids_as_features,
    weak_split,
    idle_text,
    drift,
    diverged,
    below_constant,
    useless_classes,
    heavy_tails,
    nothing_learned,
    learning_rate,
    too_few_steps,
    overfitting,
    noisy_validation,
    starved,
    peak_lost,
    forgotten,
    dominated,
    conflict,
    converged_early,
)


def diagnose(folder: Path) -> list[Finding]:
    """Findings about a finished run; empty if there are none.

    Raises:
        UserError: If ``folder`` is not a run, is damaged or not finished.
    """
    run = read_run(folder)
    if not run.finished and (found := list(diverged(run))):
        return found
    if not run.finished:
        raise UserError(f"{folder}: this run is not finished; continue it with `polytask fit ... --resume`")
    return [finding for check in CHECKS for finding in check(run)]
