"""The table of a study: means, spread, paired tests, and the time to find the networks."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from scipy import stats

from sets_and_seeds import Line
from sets_and_seeds import table as differences

from .cells import Cells
from .methods import BUDGETS, Method, finding_seconds, methods


def table(sets: Sequence[Cells], wanted: Sequence[str]) -> str:
    """Markdown: one table per set, of the seeds for which all methods are complete."""
    return "\n\n".join(_one(cells, tuple(wanted)) for cells in sets)


def over_sets(sets: Sequence[Cells], wanted: Sequence[str], base: str) -> None:
    """Print mean skills over budgets of 2 to 5 networks, as differences to a method, with tests over sets."""
    lines: list[Line] = []
    for cells in sets:
        found = list(methods(cells, tuple(wanted)))
        for seed in sorted({seed for _, _, seed in cells.found}):
            skills = {m.name: [_known(cells, m, seed, budget) for budget in BUDGETS[1:]] for m in found}
            if not any(value is None for values in skills.values() for value in values):
                means = {name: fmean(value or 0.0 for value in values) for name, values in skills.items()}
                lines.append({"set": cells.one.name, "seed": seed, "skill": means})
    others = [name for name in wanted if name != base]
    differences(base, [(line, line) for line in lines], {f"{name} - {base}": (name, base) for name in others})


def _one(cells: Cells, wanted: tuple[str, ...]) -> str:
    found = list(methods(cells, wanted))
    seeds = sorted({seed for _, _, seed in cells.found})
    values = {(m.name, budget): {s: v for s in seeds if (v := _known(cells, m, s, budget)) is not None}
              for m in found for budget in BUDGETS}  # fmt: skip
    shared = [seed for seed in seeds if all(seed in by_seed for by_seed in values.values())]
    if not shared:
        return f"{cells.one.name}: no seed is complete"
    lines = [
        f"{cells.one.name}: {cells.one.tasks} tasks, {len(shared)} seeds; mean skill on test in %, with the standard "
        "deviation over seeds; in brackets the p-value of a paired t test against one network for all",
        "",
        "| method | " + " | ".join(f"{budget} networks" for budget in BUDGETS) + " | finding, s |",
        "|---" * (len(BUDGETS) + 2) + "|",
    ]
    together = np.array([values["all_in_one", 1][seed] for seed in shared])
    for method in found:
        row = [_cell(np.array([values[method.name, b][seed] for seed in shared]), together) for b in BUDGETS]
        if method.name in ("all_in_one", "single_task"):
            row = [row[0], *[""] * (len(BUDGETS) - 1)]
        seconds = np.mean([finding_seconds(cells, method, seed) for seed in shared])
        lines.append(f"| {method.name} | " + " | ".join(row) + f" | {seconds:.1f} |")
    return "\n".join(lines)


def _cell(values: np.ndarray, together: np.ndarray) -> str:
    spread = (
        f"{100 * values.mean():.2f} ± {100 * values.std(ddof=1):.2f}" if len(values) > 1 else f"{100 * values[0]:.2f}"
    )
    gains = values - together
    if len(values) < 3 or not np.ptp(gains):
        return spread
    return f"{spread} ({stats.ttest_rel(values, together).pvalue:.2f})"


def _known(cells: Cells, method: Method, seed: int, budget: int) -> float | None:
    """Mean over the choices of a method, None if one of its trainings is missing."""
    try:
        return method.skill(seed, budget)
    except LookupError:
        return None
