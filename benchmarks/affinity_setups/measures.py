"""How well two affinities agree, where it matters for the choice of networks."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from polytask.grouping import Affinity, select_networks


def centred(matrix: np.ndarray) -> np.ndarray:
    """Off-diagonal entries after each column's mean is taken off: the choice depends on nothing else."""
    off = ~np.eye(len(matrix), dtype=bool)
    mean = np.where(off, matrix, 0).sum(0) / (len(matrix) - 1)
    return (matrix - mean)[off]


def agreement(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Spearman correlation of the centred matrices."""
    return float(spearmanr(centred(estimate), centred(reference))[0])


def value(networks: list[list[str]], matrix: np.ndarray) -> float:
    """Score of a choice by ``matrix``: mean over tasks of the best mean affinity onto it."""
    best = np.full(len(matrix), -np.inf)
    for network in networks:
        members = [int(name) for name in network]
        for task in members:
            others = [other for other in members if other != task]
            if others:
                best[task] = max(best[task], matrix[others, task].mean())
    return float(np.where(np.isfinite(best), best, 0).mean())


def chosen(matrix: np.ndarray, networks: int) -> list[list[str]]:
    """The networks that the matrix asks for; tasks are named by number."""
    affinity = Affinity(tuple(str(index) for index in range(len(matrix))), matrix)
    return [list(network) for network in select_networks(affinity, networks).networks]


def regret(estimate: np.ndarray, reference: np.ndarray, budgets: tuple[int, ...] = (2, 3, 4)) -> float:
    """What choosing by the estimate costs, by the reference: 0 the best, 1 no better than one network for all."""
    lost = []
    for networks in budgets:
        best, found = (value(chosen(matrix, networks), reference) for matrix in (reference, estimate))
        together = value([[str(index) for index in range(len(reference))]], reference)
        lost.append((best - found) / max(best - together, 1e-300))
    return float(np.mean(lost))
