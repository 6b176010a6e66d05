"""How stable a choice of networks is: the choice made again from resampled windows of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import UserError
from .affinity_matrix import MOST_DETAILED, Affinity
from .selection import Selection
from .selection.checks import Constraints, Problem, checked
from .selection.clock import Clock
from .selection.describe import describe
from .selection.preferred import Exact
from .selection.result import TOLERANCE
from .selection.search import networks_of, search_with_bound

MOST_EXACT = 12  # tasks up to which every resample is solved exactly
ROUNDS = 2  # of the search for each resample, which begins with the choice itself
ENOUGH = 0.05  # share of the gain over one network for all that may be at stake


@dataclass(frozen=True, eq=False)
class Stability:
    """What bootstrap resamples of the windows say about affinities and networks.

    Attributes:
        tasks: names of the K tasks.
        resamples: number of resamples.
        low: ``[K, K]`` lower end of the 95 % interval of each affinity (2.5th percentile).
        high: ``[K, K]`` upper end.
        together: ``[K, K]`` share of resamples in which one network holds both tasks.
        networks: for every chosen network the mean, over resamples, of its largest overlap with a network of the
            resample (tasks in both, over tasks in either): 1 is always the same. C. Hennig, Computational Statistics &
            Data Analysis 52(1), 2007.
        regret: the mean loss of the choice: best score of a resample less the score there of the chosen
            networks, as a share of the gain of the best over one network for all. 0: nothing.
        enough: whether the affinity has been measured well enough to choose (``regret`` at most 5 %).
    """

    tasks: tuple[str, ...]
    resamples: int
    low: np.ndarray
    high: np.ndarray
    together: np.ndarray
    networks: tuple[float, ...]
    regret: float
    enough: bool

    def sentence(self) -> str:
        """What it means, in words."""
        kept = ", ".join(f"{share:.0%}" for share in self.networks)
        verdict = (
            "stable enough to choose networks"
            if self.enough
            else "too noisy to choose networks (train longer, or probe more often)"
        )
        return (
            f"affinity: {verdict}; in {self.resamples} resamples the networks keep {kept} of their tasks, "
            f"and the regret of the choice is {self.regret:.1%} of the gain"
        )

    def to_json_dict(self) -> dict[str, Any]:
        """The content of ``stability`` in ``selection.json``; of more than 100 tasks nothing about pairs."""
        summary = {
            "resamples": self.resamples,
            "networks": [round(value, 4) for value in self.networks],
            "regret": round(self.regret, 4),
            "enough": self.enough,
        }
        if len(self.tasks) > MOST_DETAILED:
            return summary
        together = self.together.round(4).tolist()
        return summary | {"together": together, "low": self.low.tolist(), "high": self.high.tolist()}


def selection_stability(
    affinity: Affinity,
    selection: Selection,
    networks: int | None = None,
    *,
    budget: float | None = None,
    resamples: int = 100,
    seed: int = 0,
    seconds: float | None = None,
    **constraints: Any,
) -> Stability | None:
    """Choose again from ``resamples`` bootstrap draws of the windows of an affinity.

    Neighbouring windows differ by the history of training as well as by chance; both count here as uncertainty.

    Args:
        affinity: a measured affinity with its windows.
        selection: what was chosen from it.
        networks: as for :func:`~polytask.grouping.select_networks`.
        budget: as for :func:`~polytask.grouping.select_networks`.
        resamples: number of draws.
        seed: seed of the draws.
        seconds: longest time for all draws where there are more than 12 tasks (choices are searched for, from the given
            one and from clusterings, not proven). If it ends them, there are fewer resamples. None: no limit.
        constraints: as for :func:`~polytask.grouping.select_networks`.

    Returns:
        None if there are fewer than two windows.

    Raises:
        UserError: no resamples, or constraints as for :func:`~polytask.grouping.select_networks`.

    Example (Three tasks; in one of two windows the second pair is better):
        >>> from polytask.grouping.windows import Windows
        >>> means = np.array([[[0, 2, 0], [2, 0, 1], [0, 1, 0]], [[0, 1, 0], [1, 0, 2], [0, 2, 0]]], float)
        >>> windows = Windows(np.array([[0, 9], [9, 18]]), means, np.ones((2, 3, 3), int))
        >>> affinity = Affinity(("a", "b", "c"), windows.mean(), {"windows": windows.to_json_dict()})
        >>> from polytask.grouping import select_networks
        >>> stability = selection_stability(affinity, select_networks(affinity, 2), 2)
        >>> float(stability.together[0, 1]), stability.networks, stability.enough
        (1.0, (1.0, 1.0), True)
    """
    if not isinstance(resamples, int) or resamples < 1:
        raise UserError(f"resamples: expected a whole number of at least 1, found {resamples!r}")
    problem = checked(affinity, Constraints(**constraints), networks, budget, seconds)
    windows = affinity.windows
    if windows is None or len(windows) < 2:
        return None
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(windows), np.full(len(windows), 1 / len(windows)), size=resamples)
    means = np.ldexp(windows.means, -problem.exponent)
    scaled = replace(windows, means=means)
    most = len(affinity.tasks) if networks is None else networks
    chosen = [tuple(affinity.tasks.index(task) for task in network) for network in selection.networks]
    together = np.zeros(problem.served.gains.shape)
    overlaps, at_stake, gains, size = np.zeros(len(chosen)), 0.0, 0.0, 0.0
    clock = Clock(None if _proves(problem) else seconds)
    matrices: list[np.ndarray] = []
    for draw in draws:
        if matrices and clock.over():
            break
        matrices.append(scaled.mean(draw))
        again = _with_gains(problem, matrices[-1])
        found = _choose(again, most, budget, selection)
        together += _pairs(found, len(affinity.tasks))
        overlaps += [max(_overlap(network, other) for other in found) for network in chosen]
        best = describe(affinity.tasks, again.served, found).score
        at_stake += max(0.0, best - describe(affinity.tasks, again.served, chosen).score)
        gains += best - describe(affinity.tasks, again.served, [tuple(range(len(affinity.tasks)))]).score
        size += again.served.unit
    regret = at_stake / gains if gains > TOLERANCE * size else 0.0
    low, high = np.ldexp(np.percentile(matrices, [2.5, 97.5], axis=0), problem.exponent)
    resamples = len(matrices)
    return Stability(
        affinity.tasks,
        resamples,
        low,
        high,
        together / resamples,
        tuple((overlaps / resamples).tolist()),
        float(regret),
        bool(regret <= ENOUGH),
    )


def _with_gains(problem: Problem, matrix: np.ndarray) -> Problem:
    gains = matrix.T.copy()
    np.fill_diagonal(gains, 0.0)
    return replace(problem, served=replace(problem.served, gains=gains))


def _proves(problem: Problem) -> bool:
    return problem.served.count <= MOST_EXACT and len(problem.prices.costs) <= 2


def _choose(problem: Problem, most: int, budget: float | None, known: Selection) -> list[tuple[int, ...]]:
    if _proves(problem):
        found = Exact(problem).networks(most, budget)
    else:
        owner = np.array([known.serves[task] for task in problem.tasks])[problem.served.units.argmax(axis=1)]
        start = owner if budget is None else None  # with costs the sets are distinguished by their sizes
        division = search_with_bound(problem, most, budget, start=start, rounds=ROUNDS, bounded=False).division
        found = None if division is None else networks_of(division)
    # whether the constraints can be met does not depend on the affinities: a search that found nothing was too short
    return found or [tuple(problem.tasks.index(task) for task in network) for network in known.networks]


def _pairs(networks: Sequence[Sequence[int]], count: int) -> np.ndarray:
    held = np.array([[task in network for task in range(count)] for network in networks], float)
    return (held.T @ held > 0).astype(float)


def _overlap(one: Sequence[int], other: Sequence[int]) -> float:
    return len(set(one) & set(other)) / len(set(one) | set(other))
