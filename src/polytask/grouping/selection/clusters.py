"""Divisions of many tasks to begin a search with: clusterings of the affinity.

What two tasks give each other is symmetrised and averaged; groups that help each other are found in a fraction of a
second by any clustering, while a search that begins at random needs a move for every task, and luck.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from .served import Served

SHARES = (1.0, 0.75, 0.5)  # of the networks: overlapping networks may serve better than as many separate groups
DIGITS = 9  # of the affinities: the unit must not decide between equal ones by a rounding


def clusterings(served: Served, number: int) -> list[np.ndarray]:
    """Divisions of the tasks (or blocks) into at most ``number`` groups, each shape [n], different ones only.

    Agglomerative clustering with average linkage, of all, three quarters and half of the groups, and Ward's linkage of
    the spectral embedding (the largest eigenvectors of the symmetrised affinity).

    Args:
        served: the values of networks, n tasks or blocks.
        number: largest number of groups.

    Example:
        >>> gains = np.kron(np.eye(2), np.ones((2, 2))) - np.eye(4)
        >>> [owner.tolist() for owner in clusterings(Served(gains), 2)]
        [[0, 0, 1, 1], [0, 0, 0, 0]]
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    mutual = _mutual(served)
    if len(mutual) < 3:
        return [np.arange(len(mutual)) % number]
    distances = mutual.max() - mutual
    np.fill_diagonal(distances, 0.0)
    average = linkage(squareform(distances, checks=False), "average")
    trees = [(average, ceil(share * number)) for share in SHARES]
    if number > 1:
        trees.append((linkage(_embedding(mutual, number), "ward"), number))
    found = [fcluster(tree, groups, "maxclust") for tree, groups in trees]
    return list({owner.tobytes(): owner for owner in map(_renumbered, found)}.values())


def _mutual(served: Served) -> np.ndarray:
    """Shape [n, n]: the mean affinity between two blocks, both ways; as low as any where tasks must not meet.

    Large negative values are cut at the size of the positive ones: how bad a pair is does not matter, and one very bad
    pair must not hide all other differences.
    """
    sizes = served.units.sum(axis=1)
    between = served.gains if served.blocks is None else served.unit_gains @ served.units.T / np.outer(sizes, sizes)
    mutual = (between + between.T) / 2
    others = mutual[~np.eye(len(mutual), dtype=bool)]
    size = max(others.max(initial=0.0), served.unit) or 1.0
    if served.apart is not None:
        mutual[served.units @ served.apart @ served.units.T > 0] = -np.inf
    mutual = np.clip(mutual / size, -1.0, None)
    return np.round(mutual, DIGITS)


def _embedding(mutual: np.ndarray, number: int) -> np.ndarray:
    """Shape [n, number]: coordinates whose products are the affinities as nearly as possible."""
    similar = mutual.copy()
    np.fill_diagonal(similar, 0.0)
    values, vectors = np.linalg.eigh(similar)
    return vectors[:, -number:] * np.sqrt(np.maximum(values[-number:], 0.0))


def _renumbered(owner: np.ndarray) -> np.ndarray:
    """The same groups, numbered from 0 in the order of their first members."""
    _, first, inverse = np.unique(owner, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)
