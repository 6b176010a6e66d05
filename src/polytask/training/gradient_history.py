"""How long the tasks' gradients are, the angles between them and how often these are obtuse, from one evaluation to the
next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

#: Steps that are summed up together.
TOGETHER = 64
#: The log of a network of more tasks has no cosines of pairs: they would be most of it.
MOST_PAIRED = 32


class GradientHistory:
    """Sums over steps of what a ``[K, K]`` Gramian states; whoever computes one for other reasons gives it.

    Example (Two tasks against each other):
        >>> history = GradientHistory(2)
        >>> history.add(torch.tensor([[4.0, -1.0], [-1.0, 1.0]]), torch.tensor([True, True]))
        >>> history.take(["a", "b"])
        {'gradient_norms': {'a': 2.0, 'b': 1.0}, 'conflicts': {'a': 1.0, 'b': 1.0}, 'cosines': {'a': {'b': -0.5}}}
    """

    def __init__(self, tasks: int, device: torch.device | str = "cpu") -> None:
        self._paired = tasks <= MOST_PAIRED
        self._sums = torch.zeros(4 + 2 * tasks * self._paired, tasks, dtype=torch.float64, device=device)
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
        """``[4 + 2 K, K]``, what a checkpoint keeps: norms and how many, negative products with others and how many,
        then the cosines of each task with every other and how many (not with more than 32 tasks)."""
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
        if self._paired:
            lengths = norms[:, :, None] * norms[:, None]
            angled = both & (lengths > 0)
            steps = torch.cat([steps, torch.where(angled, gramians / lengths, 0.0), angled], 1)
        self._sums = torch.cat([self._sums[None], steps]).cumsum(0)[-1]  # step by step, however they came together

    def take(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Per task the mean norm, the share of the other tasks whose gradients make an obtuse angle with its own, and
        its mean cosine with each task after it (not with more than 32 tasks).

        NaN where there was none; nothing at all if no step was seen. What follows is summed again.
        """
        sums = self.sums
        seen = bool(sums[1].any())
        norms, conflicts = (sums[:4:2] / sums[1:4:2]).tolist()
        self.sums = torch.zeros_like(sums)
        if not seen:
            return {}
        both = {"gradient_norms": norms, "conflicts": conflicts}
        found: dict[str, dict[str, Any]] = {key: dict(zip(names, values, strict=True)) for key, values in both.items()}
        if self._paired:
            cosines, count = sums[4:].chunk(2)
            means = (cosines / count).tolist()
            found["cosines"] = {
                name: dict(zip(names[place + 1 :], means[place][place + 1 :], strict=True))
                for place, name in enumerate(names[:-1])
            }
        return found
