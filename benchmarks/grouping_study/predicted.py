"""How good every network would be, predicted from a few that were trained.

A predictor is a function of what was trained and gives all networks that are possible for the tasks, with their
predicted skills, for :func:`~polytask.grouping.strategies.select_from_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import log

import numpy as np

from polytask.grouping.affinity_matrix import Affinity
from polytask.grouping.strategies import Measured

Network = tuple[str, ...]
#: Skills of trained networks on validation.
Known = Mapping[Network, Mapping[str, float]]
#: Weight of the standardised affinity in :func:`gains`, in units of the mean size of the gains; chosen on other seeds
#: than those of the study.
AFFINITY = 0.3
#: Weight of the squared coefficients.
RIDGE = 1.0


def all_networks(tasks: Sequence[str]) -> list[Network]:
    """Every group of tasks, the small ones first."""
    return [group for size in range(1, len(tasks) + 1) for group in combinations(tasks, size)]


def gains(tasks: Network, known: Known, affinity: Affinity) -> list[Measured]:
    """Between one network for all and the single-task models: a line over the logarithm of the number of tasks.

    A task that is better alone gets few partners, another one many; affinity decides which ones.

    Example:
        >>> known = {("a", "b"): {"a": 0.5, "b": 0.5}, ("a",): {"a": 0.7}, ("b",): {"b": 0.4}}
        >>> [one.scores for one in gains(("a", "b"), known, Affinity(("a", "b"), [[0, 1], [1, 0]]))][:2]
        [{'a': 0.7}, {'b': 0.4}]
    """
    whole = known[tasks]
    gain = {task: known[task,][task] - whole[task] for task in tasks}
    weight = AFFINITY * float(np.abs(list(gain.values())).mean())
    described = _Described(tasks, affinity)

    def skill(network: Network, task: str) -> float:
        share, partners = described(network, task)
        return whole[task] + share * gain[task] + weight * partners

    return [Measured({task: skill(network, task) for task in network}) for network in all_networks(tasks)]


def few(tasks: Network, known: Known, affinity: Affinity) -> list[Measured]:
    """What a task gains over one network for all, by ridge regression on the size of a network and its affinity.

    One regression for all tasks of all trained networks.

    Source: after A. Ayman, A. Mukhopadhyay, A. Laszka, "Ensemble Prediction of Task Affinity for Efficient Multi-Task
    Learning" (ETAP), ICLR 2026, whose regression has more parameters and needs more groups.
    """
    whole, described = known[tasks], _Described(tasks, affinity)
    base = {task: described(tasks, task) for task in tasks}
    pairs = [(network, task) for network in known if network != tasks for task in network]
    inputs = np.array([described(*pair) - base[pair[1]] for pair in pairs])
    gained = np.array([known[network][task] - whole[task] for network, task in pairs])
    weights = _ridge(inputs, gained)
    return [
        Measured({task: whole[task] + float((described(network, task) - base[task]) @ weights) for task in network})
        for network in all_networks(tasks)
    ]


def surrogate(tasks: Network, known: Known) -> list[Measured]:
    """A task's skill as a linear function of which other tasks are in its network, by ridge regression.

    Source: D. Li, H. L. Nguyen, H. R. Zhang, "Identification of Negative Transfers in Multitask Learning Using
    Surrogate Models", TMLR 2023.

    Example:
        >>> known = {("a", "b", "c"): {"a": 0.5, "b": 0.5, "c": 0.5}, ("a", "b"): {"a": 0.7, "b": 0.5}}
        >>> with_c, without_c = (surrogate(("a", "b", "c"), known)[place].scores["a"] for place in (4, 3))
        >>> without_c > with_c
        True
    """
    found: dict[Network, dict[str, float]] = {network: {} for network in all_networks(tasks)}
    for task in tasks:
        others = [other for other in tasks if other != task]
        trained = [network for network in known if task in network]
        inputs = np.array([[other in network for other in others] for network in trained], float)
        skills = np.array([known[network][task] for network in trained])
        weights = _ridge(inputs - inputs.mean(0), skills - skills.mean())
        for network in found:
            if task in network:
                held = np.array([other in network for other in others], float) - inputs.mean(0)
                found[network][task] = float(skills.mean() + held @ weights)
    return [Measured(scores) for scores in found.values()]


class _Described:
    """A task in a network: the logarithm of how much smaller it is than all, as a share, and the mean affinity of its
    partners, standardised over the possible partners of the task."""

    def __init__(self, tasks: Network, affinity: Affinity) -> None:
        self._place = {task: place for place, task in enumerate(tasks)}
        self._affinity = _standardised(np.asarray(affinity.matrix, float))

    def __call__(self, network: Network, task: str) -> np.ndarray:
        count, partners = len(self._place), [self._place[other] for other in network if other != task]
        affinity = self._affinity[partners, self._place[task]].mean() if partners else 0.0
        return np.array([log(count / len(network)) / log(count), affinity])


def _standardised(affinity: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1 off the diagonal, which is 0."""
    others = ~np.eye(len(affinity), dtype=bool)
    known, count = np.where(others, affinity, 0.0), len(affinity) - 1
    centred = np.where(others, known - known.sum(0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(0) / count)
    return centred / np.where(spread > 0, spread, 1.0)


def _ridge(inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Coefficients without a constant."""
    return np.linalg.solve(inputs.T @ inputs + RIDGE * np.eye(inputs.shape[1]), inputs.T @ outputs)
