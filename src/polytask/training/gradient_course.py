"""How long the tasks' gradients are and how often they point against each other, from one evaluation to the next."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Steps that are summed up together.
TOGETHER = 64


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
        self._sums = torch.zeros(4, tasks, dtype=torch.float64, device=device)
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, gramian: Tensor, present: Tensor) -> None:
        """Take in one step; the arithmetic is done for many steps at once.

        Args:
            gramian: ``[K, K]`` inner products of the tasks' gradients, or those of the present tasks only.
            present: ``[K]`` bool, tasks with a label in the batch.
        """
        if len(gramian) < len(present):
            places = present.nonzero()[:, 0]
            gramian = gramian.new_zeros(len(present), len(present)).index_put((places[:, None], places), gramian)
        self._waiting.append((gramian.detach(), present))
        if len(self._waiting) == TOGETHER:
            self._fold()

    @property
    def sums(self) -> Tensor:
        """``[4, K]`` norms and how many, negative products with others and how many; what a checkpoint keeps."""
        self._fold()
        return self._sums

    @sums.setter
    def sums(self, sums: Tensor) -> None:
        self._sums, self._waiting = sums, []

    def _fold(self) -> None:
        if not self._waiting:
            return
        gramians, present = (torch.stack(found) for found in zip(*self._waiting, strict=True))
        self._waiting = []
        norms = gramians.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
        known = present & torch.isfinite(norms)
        both = known[:, :, None] & known[:, None]
        against = ((gramians < 0) & both).sum(2)
        others = both.sum(2) - known.long()
        steps = torch.stack([torch.where(known, norms, 0.0), known, against, others], 1)
        self._sums = torch.cat([self._sums[None], steps]).cumsum(0)[-1]  # step by step, however they came together

    def take(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Per task the mean norm, and the share of the other tasks whose gradients make an obtuse angle with its own.

        NaN where there was none; nothing at all if no step was seen. What follows is summed anew.
        """
        sums = self.sums
        seen = bool(sums[1].any())
        norms, conflicts = (sums[::2] / sums[1::2]).tolist()
        self.sums = torch.zeros_like(sums)
        both = {"gradient_norms": norms, "conflicts": conflicts}
        return {key: dict(zip(names, values, strict=True)) for key, values in both.items()} if seen else {}
