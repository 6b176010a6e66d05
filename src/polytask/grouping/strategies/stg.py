"""STG: tasks whose samples are learned alike belong in one group, found by clustering their data maps."""

from __future__ import annotations

import numpy as np

from ..selection import Selection
from .context import Context

FUZZINESS = 1.07  # m of the membership, as published


def stg(context: Context) -> list[Selection]:
    """Each task in the network of the cluster that it belongs to most; no task is in two networks.

    The score is the share of the data maps' variance that the clusters explain; losses are not part of it.

    Source: A. Sherif et al., "STG-MTL: Scalable Task Grouping for Multi-Task Learning Using Data Map", 2023,
    arXiv:2307.03374. Theirs weight losses by the membership; here the largest one decides.
    """
    from sklearn.cluster import KMeans

    maps = np.asarray(context.measured_maps, dtype=float)
    whole = float(((maps - maps.mean(0)) ** 2).sum())
    found = []
    different = len(np.unique(maps, axis=0))
    for budget in context.budgets:
        clusters = min(budget, different)
        fitted = KMeans(clusters, n_init=10, random_state=context.seed).fit(maps) if clusters > 1 else None
        centres = maps.mean(0)[None] if fitted is None else fitted.cluster_centers_
        member = memberships(maps, centres)
        owner = member.argmax(1)
        explained = 1 - float(((maps - centres[owner]) ** 2).sum()) / whole if whole > 0 else 0.0
        found.append(_selection(context.tasks, owner, member, explained))
    return found


def memberships(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Fuzzy memberships ``u_ic = 1 / sum_k (d_ic / d_ik)^(2 / (m - 1))``.

    Args:
        points: shape [n, F].
        centres: shape [k, F].

    Returns:
        shape [n, k]; rows sum to 1.

    Example:
        >>> memberships(np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [2.0]])).round(3).tolist()
        [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    distances = np.linalg.norm(points[:, None] - centres[None], axis=2)
    logs = -2 / (FUZZINESS - 1) * np.log(np.maximum(distances, np.finfo(float).tiny))
    powers = np.exp(logs - logs.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _selection(tasks: tuple[str, ...], owner: np.ndarray, member: np.ndarray, score: float) -> Selection:
    clusters = list(dict.fromkeys(owner.tolist()))  # in the order of their first tasks; an empty one is left out
    networks = tuple(tuple(task for task, k in zip(tasks, owner, strict=True) if k == cluster) for cluster in clusters)
    serves = {task: clusters.index(k) for task, k in zip(tasks, owner.tolist(), strict=True)}
    scores = dict(zip(tasks, member.max(1).tolist(), strict=True))
    return Selection(networks, serves, score, 1.0, False, scores)
