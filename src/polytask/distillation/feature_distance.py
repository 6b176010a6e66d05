"""How far a student's features are from its teachers'."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Inside the root of a norm, so that a zero vector has no direction and no infinite gradient.
EPS = 1e-6


def normalised(features: Tensor, dim: int = -1) -> Tensor:
    """``x / sqrt(sum x^2 + 1e-6)`` in float32, whatever the precision of training: squares overflow half precision."""
    features = features.float()
    return features / (features.square().sum(dim, keepdim=True) + EPS).sqrt()


def feature_distance(student: Tensor, teacher: Tensor, dim: int = -1) -> Tensor:
    """``|| a/|a| - b/|b| ||^2``, the norms over channels.

    Args:
        student: ``[..., D]`` (or channels in ``dim``).
        teacher: Of the same shape.
        dim: The channels.

    Returns:
        ``[...]``, 0 for equal directions to 4 for opposite ones.

    Source:
        W.-H. Li, H. Bilen, "Knowledge Distillation for Multi-task Learning", ECCV 2020 Workshops, arXiv:2007.06889.

    Example:
        >>> student, teacher = torch.tensor([[3., 4.], [1., 0.]]), torch.tensor([[0., 2.], [1., 1.]])
        >>> feature_distance(student, teacher).mean()
        tensor(0.4929)
    """
    return (normalised(student, dim) - normalised(teacher, dim)).square().sum(dim)


def adaptive_feature_distance(student: Tensor, teachers: Tensor, shares: Tensor) -> Tensor:
    """``|| n(s) - sum_t share_t n(f_t) ||^2``, the distance to a mixture of all teachers.

    Args:
        student: ``[B, D]``.
        teachers: ``[B, K, D]``.
        shares: ``[K]``, learned.

    Returns:
        ``[B]``.

    Source:
        G. M. Jacob, V. Agarwal, B. Stenger, "Online Knowledge Distillation for Multi-Task Learning", WACV 2023.

    Example:
        >>> teachers = torch.tensor([[[1., 0.], [0., 2.]]])
        >>> adaptive_feature_distance(torch.tensor([[3., 4.]]), teachers, torch.tensor([.5, .5]))
        tensor([0.1000])
    """
    mixture = torch.einsum("k,bkd->bd", shares, normalised(teachers))
    return (normalised(student) - mixture).square().sum(-1)


class Adaptors(nn.Module):
    """A linear map without bias per task, from the student's features into the space of a teacher's.

    Weights are Xavier-normal and come from a generator of their own.

    Args:
        tasks: Number of tasks k.
        student: Width of the student's features.
        teacher: Width of the teachers' features.
        seed: Of the weights.

    Shapes:
        ``[B, student]``, common to all tasks, or ``[B, k, student]`` to ``[B, k, teacher]``.
    """

    def __init__(self, tasks: int, student: int, teacher: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        scale = (2 / (student + teacher)) ** 0.5
        self.weight = nn.Parameter(scale * torch.randn(tasks, teacher, student, generator=generator))

    def forward(self, features: Tensor) -> Tensor:
        if features.ndim == 2:  # one wide product
            return (features @ self.weight.flatten(0, 1).T).unflatten(1, self.weight.shape[:2])
        return torch.einsum("bks,kts->bkt", features, self.weight)
