"""Blocks of similar tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import UserError

#: Below this mean silhouette there are no clusters, and every task is a separate block.
LEAST_SILHOUETTE = 0.1

Blocks = tuple[tuple[int, ...], ...]


def find_blocks(similarity: np.ndarray, blocks: str | int | Sequence[Sequence[int]] = "auto") -> Blocks:
    """Blocks by average-linkage clustering of ``1 - similarity``.

    Args:
        similarity: ``[K, K]``, symmetric, from 0 to 1.
        blocks: Their number; ``auto``: the number from 2 to K - 1 with the highest mean silhouette (of equal ones the
            smallest), K if that is below 0.1; or the blocks themselves, which must hold every task once.

    Returns:
        Positions of the tasks, each block and the blocks in the order of tasks.

    Raises:
        UserError: If the number or the given blocks do not fit.

    Example:
        >>> similarity = np.eye(4)
        >>> for (i, j), s in {(0, 1): .82, (0, 2): .3, (0, 3): .25, (1, 2): .35, (1, 3): .2, (2, 3): .6}.items():
        ...     similarity[i, j] = similarity[j, i] = s
        >>> find_blocks(similarity)
        ((0, 1), (2, 3))
    """
    tasks = len(similarity)
    if not isinstance(blocks, str | int):
        given = tuple(tuple(sorted(block)) for block in blocks)
        if sorted(task for block in given for task in block) != list(range(tasks)) or not all(given):
            raise UserError(f"blocks: expected every one of the {tasks} tasks in one block, found {list(blocks)}")
        return tuple(sorted(given))
    if isinstance(blocks, int) and not 1 <= blocks <= tasks:
        raise UserError(f"blocks: expected auto, blocks, or a number from 1 to {tasks}, found {blocks}")
    if isinstance(blocks, str) and blocks != "auto":
        raise UserError(f"blocks: expected auto, a number, or blocks of tasks, found {blocks!r}")
    if tasks <= 2:
        return tuple((task,) for task in range(tasks)) if blocks != 1 else (tuple(range(tasks)),)
    distance = 1 - np.asarray(similarity, dtype=float)
    np.fill_diagonal(distance, 0.0)
    number = _best_number(distance) if blocks == "auto" else int(blocks)
    return _cluster(distance, number)


def _cluster(distance: np.ndarray, number: int) -> Blocks:
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distance, checks=False), method="average")
    labels = cut_tree(tree, number)[:, 0]
    members: dict[int, list[int]] = {}
    for task, label in enumerate(labels):
        members.setdefault(int(label), []).append(task)
    return tuple(tuple(block) for block in members.values())


def _best_number(distance: np.ndarray) -> int:
    tasks = len(distance)
    levels = {number: silhouette(distance, _cluster(distance, number)) for number in range(2, tasks)}
    best = max(levels, key=lambda number: (round(levels[number], 9), -number))
    return best if levels[best] >= LEAST_SILHOUETTE else tasks


def silhouette(distance: np.ndarray, blocks: Blocks) -> float:
    """Mean silhouette of a clustering, from ``[K, K]`` distances; -1 if it has one cluster or only single tasks.

    Example:
        >>> distance = np.array([[0., .18, .7, .75], [.18, 0., .65, .8], [.7, .65, 0., .4], [.75, .8, .4, 0.]])
        >>> round(silhouette(distance, ((0, 1), (2, 3))), 4)
        0.5987
    """
    if not 1 < len(blocks) < len(distance):
        return -1.0
    from sklearn.metrics import silhouette_score

    labels = np.empty(len(distance), dtype=int)
    for number, block in enumerate(blocks):
        labels[list(block)] = number
    return float(silhouette_score(distance, labels, metric="precomputed"))
