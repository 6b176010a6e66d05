"""Targets that are copies, sums or other linear combinations of targets or features."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ..records.run import Run
from .advice import quoted
from .finding import Finding
from .noted import names_in, noted

#: Targets that are named one by one.
MOST_NAMED = 12


def related_targets(run: Run) -> Iterator[Finding]:
    """Targets that follow from other columns: nothing has to be learned for them."""
    for warning in noted(run, "relation"):
        name, *others = names_in(warning)
        known = [other for other in others if other in run.tasks]
        if len(known) == len(others):
            advice = (
                "compute it from the predictions of the others, which then agree with it, and leave it out "
                f"{_without(run, name)}: it takes capacity from them"
            )
        else:
            columns = shlex.quote(",".join(other for other in others if other not in run.tasks))
            advice = (
                "if these columns are known when you predict, compute it; if not, they leak the target: leave them "
                f"out ({quoted(f'--ignore {columns}')})"
            )
        yield Finding("related targets", tuple(n for n in (name, *known) if n in run.tasks), warning, advice)


def _without(run: Run, name: str) -> str:
    """The other targets as an option, where that is short."""
    rest = [task for task in run.tasks if task != name]
    if len(rest) > MOST_NAMED or any("," in task or '"' in task for task in rest):
        return "of --targets"
    listed = shlex.quote(",".join(rest))
    return f"({quoted(f'--targets {listed}', f'--ignore {shlex.quote(name)}')})"
