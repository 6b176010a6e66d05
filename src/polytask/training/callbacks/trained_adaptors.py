"""Adaptors of all tasks, and the optimiser that trains them beside the student."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ...distillation.adaptors import Adaptors
from ...distillation.feature_distance import adapted_distance
from ...processes.collectives import average_gradients, share_from_first
from ..optimizer import Adam, absent_tasks_kept


class TrainedAdaptors:
    """Distances of a student's features to those of all teachers, through adaptors with a separate optimiser.

    Tasks come in blocks. All adaptors are rows of one tensor, so that the blocks that have begun are one product; for
    the optimiser every block is a parameter, whose state begins with the block.

    Args:
        blocks: Positions of the tasks of every block, in the order in which blocks begin.
        targets: ``[n, k, C]``, or ``[n, P, k, C]`` of features by position, of the teachers in that order of tasks, see
            :func:`~polytask.distillation.adaptors.stacked_directions`.
        widths: Of the student's features, one per tap.
        own: Every task has separate features.
        learning_rate: Of Adam.
        weight_decay: Of Adam.
        shared: Width of a map common to all tasks of a tap; 0 for none.
        seed: Seed of the adaptors.
        device: Where they live.
    """

    def __init__(
        self,
        blocks: Sequence[Sequence[int]],
        targets: Tensor,
        widths: Sequence[int],
        *,
        own: bool,
        learning_rate: float,
        weight_decay: float,
        shared: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.blocks, self.own = [list(block) for block in blocks], own
        self.tasks = [task for block in blocks for task in block]
        self.targets = targets.to(device)
        share_from_first([self.targets])  # directions of equal size may come in another order elsewhere
        # Counted from the last tap, whose adaptors are then the same however many there are.
        self.taps = [Adaptors(len(self.tasks), width, targets.shape[-1], seed + before, shared).to(device)
                     for before, width in zip(reversed(range(len(widths))), widths, strict=True)]  # fmt: skip
        sizes = [len(block) for block in blocks]
        self._starts = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
        #: By tap: one parameter per block, whose numbers are rows of the tap's weight.
        self.parts = [[nn.Parameter(rows) for rows in tap.weight.data.split(sizes)] for tap in self.taps]
        self.parameters = [part for parts in self.parts for part in parts]
        self.parameters += [tap.common for tap in self.taps if tap.common is not None]
        self.optimizer = Adam(self.parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
        self._leaves: list[Tensor] = []

    def loss(self, features: Sequence[Tensor], ids: Tensor, blocks: int, shares: Tensor) -> Tensor:
        """The distances of a batch for the tasks of the first blocks, weighted and summed.

        Args:
            features: Per tap ``[B, W]``, ``[B, P, W]``, or ``[B, K, W]`` of tasks with separate features.
            ids: ``[B]``.
            blocks: Number of the blocks that have begun.
            shares: ``[k]`` or ``[B, k]`` weights; the mean over positions is taken.
        """
        self._blocks, tasks = blocks, self._starts[blocks]
        targets = self.targets.index_select(0, ids)[..., :tasks, :]
        if targets.ndim == 4:
            shares = (shares if shares.ndim == 1 else shares[:, None]) / targets.shape[1]
        self._leaves = [tap.weight.detach()[:tasks].requires_grad_() for tap in self.taps]
        terms = []
        for tap, weight, found in zip(self.taps, self._leaves, features, strict=True):
            own = found[:, self.tasks[:tasks]] if self.own else found
            own = own.float() if tap.common is None else own.float() @ tap.common.T
            terms.append(adapted_distance(own, weight, targets, shares))
        return terms[0] if len(terms) == 1 else torch.stack(terms).sum()

    def step(self, scale: float, absent: Sequence[int] = ()) -> None:
        """Update the adaptors that the last distances went through.

        Args:
            scale: Of the gradients.
            absent: Positions of tasks without a row in this batch; their adaptors stay as they are.
        """
        sizes = [len(block) for block in self.blocks[: self._blocks]]
        for parts, leaf in zip(self.parts, self._leaves, strict=True):
            if leaf.grad is not None:
                for part, gradient in zip(parts[: self._blocks], leaf.grad.split(sizes), strict=True):
                    part.grad = gradient
        average_gradients(self.parameters)
        used = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        if scale != 1.0:
            for gradient in used:
                gradient /= scale
        if scale == 1.0 or all(bool(gradient.isfinite().all()) for gradient in used):
            kept = [part for place in absent for part in self._rows(place)]
            with absent_tasks_kept(self.optimizer, kept) if kept else nullcontext():
                self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _rows(self, place: int) -> list[tuple[Tensor, slice]]:
        """One task's adaptors: parameters with the rows of them."""
        block = max(number for number, start in enumerate(self._starts[:-1]) if start <= place)
        row = place - self._starts[block]
        return [(parts[block], slice(row, row + 1)) for parts in self.parts]

    def state_dict(self) -> dict[str, Any]:
        """Adaptors and their optimiser."""
        return {
            "adaptors": [dict(tap.state_dict()) for tap in self.taps],
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        for tap, saved in zip(self.taps, state["adaptors"], strict=True):
            tap.load_state_dict(saved)
        self.optimizer.load_state_dict(state["optimizer"])
