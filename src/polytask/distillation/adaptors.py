"""Linear maps from a student's features to those of its teachers, and what the teachers' features are reduced to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .feature_distance import normalised


class Adaptors(nn.Module):
    """A linear map without bias per task, from the student's features into the space of a teacher's.

    Weights are Xavier-normal and come from a separate generator.

    Args:
        tasks: Number of tasks k.
        student: Width of the student's features.
        teacher: Width of the teachers' features.
        seed: Seed of the weights.
        shared: Width of a linear map that all tasks have in common and that comes before those of their own; 0 for
            none.

    Shapes:
        ``[..., student]``, or ``[..., k, student]`` with features of their ``own``, to ``[..., k, teacher]``.
    """

    def __init__(self, tasks: int, student: int, teacher: int, seed: int = 0, shared: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def xavier(*shape: int) -> nn.Parameter:
            return nn.Parameter((2 / sum(shape[-2:])) ** 0.5 * torch.randn(shape, generator=generator))

        self.common = xavier(shared, student) if shared else None
        self.weight = xavier(tasks, teacher, shared or student)

    def forward(self, features: Tensor, own: bool = False) -> Tensor:
        if self.common is not None:
            features = features @ self.common.T
        if own:
            return torch.einsum("...ks,kts->...kt", features, self.weight)
        return (features @ self.weight.flatten(0, 1).T).unflatten(-1, self.weight.shape[:2])  # one wide product


def principal_part(features: Tensor, components: int) -> Tensor:
    """Features in the ``components`` directions in which they are largest in the mean square (about 0, not the mean).

    Distances between rows are kept as far as these directions hold the features. A linear adaptor loses nothing by it
    where they hold all: what it states in other directions could only be wrong.

    Args:
        features: ``[..., D]``.
        components: C; with C of D or more the features come back as they are.

    Returns:
        ``[..., min(C, D)]``.

    Example:
        >>> line = torch.tensor([[1., 2.], [2., 4.], [-3., -6.]])
        >>> principal_part(line, 1).abs().flatten()
        tensor([2.2361, 4.4721, 6.7082])
    """
    if components >= features.shape[-1]:
        return features
    rows = features.flatten(0, -2)
    _, directions = torch.linalg.eigh((rows.T @ rows).double())
    return features @ directions[:, -components:].flip(1).to(features.dtype)


def stacked_directions(features: Sequence[Tensor], components: int | None) -> Tensor:
    """The teachers' features as adaptors meet them: normalised, reduced to their principal part, side by side.

    Args:
        features: ``[n, D_t]`` per task, or ``[n, P, D_t]`` by position.
        components: See :func:`principal_part`; None for all.

    Returns:
        ``[n, k, C]`` or ``[n, P, k, C]``, with zeros where a teacher has fewer features than others.
    """
    parts = [normalised(part) for part in features]
    parts = parts if components is None else [principal_part(part, components) for part in parts]
    width = max(part.shape[-1] for part in parts)
    return torch.stack([pad(part, (0, width - part.shape[-1])) for part in parts], -2)
