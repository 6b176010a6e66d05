"""How alike tasks are, seen through what networks trained for them alone make of the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

#: Rows on which representations are compared.
PROBE_ROWS = 1024


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


def teacher_similarity(features: Sequence[Tensor]) -> np.ndarray:
    """``[K, K]`` similarity of tasks: linear CKA of their teachers' features of the same rows, at most 1024 of them.

    Args:
        features: ``[n, D_t]`` per task, or ``[n, P, D_t]``, which is averaged over positions.
    """
    rows = torch.linspace(0, len(features[0]) - 1, min(PROBE_ROWS, len(features[0]))).long()
    samples = [part[rows.to(part.device)].cpu() for part in features]
    samples = [part.mean(1) if part.ndim == 3 else part for part in samples]
    matrix = np.eye(len(samples))
    for i, one in enumerate(samples):
        for j, other in enumerate(samples[:i]):
            matrix[i, j] = matrix[j, i] = min(linear_cka(one, other), 1.0)
    return matrix


def given_similarity(blocks: Sequence[Sequence[int]]) -> np.ndarray:
    """``[K, K]``: 1 within the given blocks, 0 between them.

    Example:
        >>> given_similarity([[0, 2], [1]]).tolist()
        [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    matrix = np.zeros((sum(map(len, blocks)),) * 2)
    for block in blocks:
        matrix[np.ix_(block, block)] = 1.0
    return matrix
