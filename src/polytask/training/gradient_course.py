"""How long the tasks' gradients are and how often they point against each other, from one evaluation to the next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class GradientCourse:
    """Sums over steps of what a ``[K, K]`` Gramian says; whoever computes one for other reasons gives it.

    Args:
        tasks: Number of tasks.
        device: Where the Gramians are.

    Example (Two tasks against each other):
        >>> course = GradientCourse(2)
        >>> course.add(torch.tensor([[4.0, -1.0], [-1.0, 1.0]]), torch.tensor([True, True]))
        >>> course.take(["a", "b"])
        {'gradient_norms': {'a': 2.0, 'b': 1.0}, 'conflicts': {'a': 1.0, 'b': 1.0}}
    """

    def __init__(self, tasks: int, device: torch.device | str = "cpu") -> None:
        #: Rows: norms and how many, negative products with others and how many.
        self.sums = torch.zeros(4, tasks, dtype=torch.float64, device=device)

    def add(self, gramian: Tensor, present: Tensor) -> None:
        """Take in one step.

        Args:
            gramian: ``[K, K]`` inner products of the tasks' gradients, or those of the present tasks only.
            present: ``[K]`` bool, tasks with a label in the batch.
        """
        if len(gramian) < len(present):
            places = present.nonzero()[:, 0]
            gramian = gramian.new_zeros(len(present), len(present)).index_put((places[:, None], places), gramian)
        norms = gramian.detach().diagonal().clamp_min(0).sqrt()
        known = present & torch.isfinite(norms)
        both = known[:, None] & known
        against = ((gramian < 0) & both).sum(1)
        others = both.sum(1) - known.long()
        self.sums += torch.stack([torch.where(known, norms, 0.0), known, against, others])

    def take(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Per task the mean norm, and the share of the other tasks whose gradients make an obtuse angle with its own.

        NaN where there was none; nothing at all if no step was seen. What follows is summed anew.
        """
        seen = bool(self.sums[1].any())
        norms, conflicts = (self.sums[::2] / self.sums[1::2]).tolist()
        self.sums.zero_()
        both = {"gradient_norms": norms, "conflicts": conflicts}
        return {key: dict(zip(names, values, strict=True)) for key, values in both.items()} if seen else {}
