"""How alike tasks are, seen through what networks trained for them alone make of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor


def linear_cka(one: Tensor, other: Tensor) -> float:
    """Linear centred kernel alignment ``||Y'X||^2 / (||X'X|| ||Y'Y||)`` of two representations of the same rows.

    Args:
        one: ``[n, D]``.
        other: ``[n, E]``.

    Returns:
        0 to 1; 0 if one of them is constant.

    Source:
        S. Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019.

    Example:
        >>> one = torch.tensor([[1., 0.], [0., 1.], [1., 1.], [2., 1.]])
        >>> other = torch.tensor([[1., 2., 0.], [0., 1., 1.], [1., 3., 1.], [3., 3., 0.]])
        >>> round(linear_cka(one, other), 6)
        0.940068
    """
    x, y = (features.double() - features.double().mean(0) for features in (one, other))
    scale = (x.T @ x).norm() * (y.T @ y).norm()
    # Rounding leaves a constant representation with a remainder of the size of the last digit.
    least = torch.finfo(torch.float32).eps ** 2 * one.double().square().sum() * other.double().square().sum()
    return float((y.T @ x).square().sum() / scale) if scale > least else 0.0


def representation_similarity(one: Tensor, other: Tensor) -> float:
    """Spearman correlation of the distances between rows in two representations; 0 if one of them is constant.

    Source:
        K. Dwivedi, G. Roig, "Representation Similarity Analysis for Efficient Task Taxonomy and Transfer Learning",
        CVPR 2019; here with Euclidean distances.

    Example:
        >>> rows = torch.tensor([[0.], [1.], [3.], [7.]])
        >>> representation_similarity(rows, 2 * rows)
        1.0
    """
    from scipy.stats import spearmanr

    distances = [torch.pdist(features.double()).numpy() for features in (one, other)]
    if any(np.ptp(values) <= 1e-12 * values.max() for values in distances):  # all rows are equally far apart
        return 0.0
    return round(float(spearmanr(*distances).statistic), 12)


def similarity_matrix(
    features: Sequence[Tensor], measure: Callable[[Tensor, Tensor], float] = linear_cka
) -> np.ndarray:
    """``[K, K]`` similarity of the tasks from their teachers' features of the same rows.

    Args:
        features: ``[n, D_t]`` per task; images are averaged over positions first.
        measure: Of two representations.
    """
    tasks = len(features)
    matrix = np.eye(tasks)
    for i in range(tasks):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = measure(features[i], features[j])
    return as_similarity(matrix)


def as_similarity(matrix: np.ndarray, *, scale: bool = False) -> np.ndarray:
    """A matrix as similarities: symmetric, diagonal 1, from 0 to 1.

    Args:
        matrix: ``[K, K]``; NaN counts as 0.
        scale: Bring the values off the diagonal to 0 ... 1 first, for matrices without a scale such as affinities.

    Example:
        >>> as_similarity(np.array([[0., .2], [.4, 0.]]))
        array([[1. , 0.3],
               [0.3, 1. ]])
    """
    matrix = np.nan_to_num(np.asarray(matrix, dtype=float))
    matrix = (matrix + matrix.T) / 2
    off = ~np.eye(len(matrix), dtype=bool)
    if scale and off.any():
        low, high = matrix[off].min(), matrix[off].max()
        matrix = (matrix - low) / (high - low) if high > low else np.zeros_like(matrix)
    matrix = matrix.clip(0, 1)
    np.fill_diagonal(matrix, 1.0)
    return matrix
