"""How far a student's features are from its teachers'."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

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


class _AdaptedDistance(torch.autograd.Function):
    """:func:`adapted_distance`. The gradient is written down: that is half of the work of autograd's."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, teacher: Tensor, squares: Tensor, shares: Tensor) -> Tensor:
        wide, own = weight.flatten(0, 1), features.shape[:-1] == teacher.shape[:-1]
        adapted = torch.einsum("...ks,kts->...kt", features, weight) if own else features @ wide.T
        student = adapted.view(teacher.shape)
        norms, products = (student * student).sum(-1), (student * teacher).sum(-1)
        inverse = (norms + EPS).rsqrt()
        along = inverse * (2 * shares)
        radial = along * inverse.square() * (products + EPS * inverse)
        gradient = (radial[..., None] * student).addcmul_(along[..., None], teacher, value=-1)
        if own:
            ctx.save_for_backward(torch.einsum("...kt,kts->...ks", gradient, weight),
                                  torch.einsum("...kt,...ks->kts", gradient, features))  # fmt: skip
        else:
            gradient = gradient.flatten(-2)
            by_weight = gradient.flatten(0, -2).T @ features.flatten(0, -2)
            ctx.save_for_backward(gradient @ wide, by_weight.view(weight.shape))
        distances = norms * inverse.square() - 2 * products * inverse + squares
        return (distances * shares).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        by_features, by_weight = ctx.saved_tensors
        return by_features * gradients[0], by_weight * gradients[0], None, None, None


def adapted_distance(features: Tensor, weight: Tensor, teacher: Tensor, shares: Tensor) -> Tensor:
    """``sum shares * feature_distance(weight @ features, teacher)`` over rows and tasks.

    Args:
        features: ``[..., S]`` of the student, or ``[..., k, S]`` if every task has separate features; float32.
        weight: ``[k, T, S]`` of linear adaptors.
        teacher: ``[..., k, T]``, to which :func:`normalised` has been applied. It gets no gradient.
        shares: ``[..., k]``, or what can be spread to that; no gradient.

    Returns:
        A scalar.

    Example:
        >>> student, teacher = torch.tensor([[3., 4.], [1., 0.]]), torch.tensor([[0., 2.], [1., 1.]])
        >>> adapted_distance(student, torch.eye(2)[None], normalised(teacher)[:, None], torch.tensor([0.5]))
        tensor(0.4929)
    """
    squares = (teacher * teacher).sum(-1)
    return cast(Tensor, _AdaptedDistance.apply(features, weight, teacher, squares, shares))


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
