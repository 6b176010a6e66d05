"""Mixtures of experts with a gate per task: MMoE, CGC and PLE."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import raise_all
from .stages import features_of, fresh_copy, output_width, stages_of, vectors_of
from .task_encoder import Representation, TaskEncoder, TaskPart, whole
from .task_linear import TaskLinear


class ExtractionLevel(nn.Module):
    """Shared experts, experts of each task, and a softmax gate per task over the shared ones and its own.

    Args:
        expert: One expert; the first keeps its weights, the others get fresh ones.
        tasks: Number of tasks K.
        shared: Shared experts S.
        own: Experts per task M.
        in_features: Width of what experts and gates read.
        last: No further level follows. Otherwise one more gate, over all experts, makes the next shared input.
    """

    def __init__(self, expert: nn.Module, tasks: int, shared: int, own: int, in_features: int, last: bool) -> None:
        super().__init__()
        self.shared: Any = nn.ModuleList([expert, *[fresh_copy(expert) for _ in range(shared - 1)]])
        self.own: Any = nn.ModuleList([nn.ModuleList([fresh_copy(expert) for _ in range(own)]) for _ in range(tasks)])
        self.gates = TaskLinear(tasks, in_features, own + shared)
        self.shared_gate = None if last else nn.Linear(in_features, tasks * own + shared)

    def forward(self, common: Tensor, private: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """One level.

        Args:
            common: ``[B, W]``, read by the shared experts.
            private: ``[B, W]`` or ``[B, K, W]``, read by the tasks' experts and gates.

        Returns:
            The shared experts' outputs ``[B, S, D]``, the tasks' mixtures ``[B, K, D]``, and the shared mixture
            ``[B, D]`` unless this is the last level.
        """
        shared = torch.stack([features_of(expert, common) for expert in self.shared], 1)
        weights = self.gates(private).softmax(-1).to(shared.dtype)
        own = self._own(private)
        count = 0 if own is None else own.shape[2]
        mixed = torch.einsum("bks,bsd->bkd", weights[..., count:], shared)
        if own is not None:
            mixed = mixed + torch.einsum("bkm,bkmd->bkd", weights[..., :count], own)
        if self.shared_gate is None:
            return shared, mixed, None
        every = shared if own is None else torch.cat([own.flatten(1, 2), shared], 1)
        gate = self.shared_gate(common).softmax(-1).to(shared.dtype)
        return shared, mixed, torch.einsum("be,bed->bd", gate, every)

    def _own(self, private: Tensor) -> Tensor | None:
        """``[B, K, M, D]`` outputs of the tasks' experts."""
        if not len(self.own[0]):
            return None
        inputs = [private] * len(self.own) if private.ndim == 2 else private.unbind(1)
        return torch.stack(
            [
                torch.stack([features_of(expert, one) for expert in experts], 1)
                for experts, one in zip(self.own, inputs, strict=True)
            ],
            1,
        )


class GatedExperts(TaskEncoder):
    """Levels of experts above a common stem.

    The stem is the first stage of an encoder that has several (see :func:`~polytask.models.stages.stages_of`), and the
    remaining stages are one expert; an encoder without stages is the stem as a whole, and an expert is one linear layer
    with ReLU of its width. Experts of further levels are such layers, too. So gates and experts read vectors whatever
    the inputs are.

    Args:
        encoder: From inputs to ``[B, D]``; its stages become the stem and the first expert, the other experts are
            copies with fresh weights.
        tasks: Number of tasks.
        shared: Shared experts per level, at least 1.
        own: Experts per task and level.
        levels: Number of levels.
        width: D, if it cannot be told.

    Raises:
        UserError: For numbers out of range.
    """

    def __init__(
        self, encoder: nn.Module, tasks: int, *, shared: int, own: int, levels: int, width: int | None = None
    ) -> None:
        super().__init__()
        least = (("experts", shared, 1), ("task_experts", own, 0), ("levels", levels, 1))
        raise_all(
            [f"sharing: {name} must be at least {low}, found {value}" for name, value, low in least if value < low]
        )
        first, *rest = stages_of(encoder)
        self.stem = first
        stem_width = output_width(first) if rest or width is None else width
        self.width = (width or output_width(encoder)) if rest else stem_width
        self._stem_width = stem_width
        expert = nn.Sequential(*rest) if rest else _layer(stem_width, self.width)
        sizes = [stem_width, *[self.width] * (levels - 1)]
        self.levels: Any = nn.ModuleList(
            ExtractionLevel(
                _layer(size, self.width) if level else expert, tasks, shared, own, size, level == levels - 1
            )
            for level, size in enumerate(sizes)
        )
        self.cut = levels == 1

    def represent(self, inputs: object) -> Representation:
        stem = vectors_of(self.stem, inputs, type(self).__name__.lower(), self._stem_width)
        # Gradients of the tasks' experts and gates for the stem pass through here, those of shared experts do not.
        private: Tensor = stem.view_as(stem)
        common: Tensor | None = stem
        read = private
        for level in self.levels:
            assert common is not None
            shared, private, common = level(common, private)
        cut = tuple(part for part in (shared, read) if part.requires_grad)
        return Representation(private, cut if self.cut else None)

    def shared_modules(self) -> list[nn.Module]:
        # The gates of the last two levels lead to one task; experts and gates below are read by the next shared gate.
        *lower, last = self.levels
        found: list[nn.Module] = [last.shared]
        for depth, level in enumerate(reversed(lower)):
            found += [level.shared, level.own, level.shared_gate]
            found += [level.gates] if depth else []
        return [*found, self.stem]

    def task_parameters(self, task: int) -> list[TaskPart]:
        parts = list(whole(self.levels[-1].own[task]))
        for level in list(self.levels)[-2:]:
            parts += level.gates.task_parameters(task)
        return parts


def _layer(width_in: int, width_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width_in, width_out), nn.ReLU())


class MMoE(GatedExperts):
    """Multi-gate mixture of experts: shared experts, and a gate per task that mixes them.

    Args:
        encoder: See :class:`GatedExperts`.
        tasks: Number of tasks.
        experts: Shared experts.
        width: See :class:`GatedExperts`.

    Deviation:
        In the paper experts and gates read the embedded inputs; here they read the encoder's first stage, as in Zhao
        et al., "Recommending what video to watch next" (RecSys 2019). So the inputs may be anything.

    Example:
        >>> encoder = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())
        >>> MMoE(encoder, tasks=2, experts=3)(torch.zeros(4, 5)).shape
        torch.Size([4, 2, 8])
    """

    reference = (
        'J. Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", '
        "KDD 2018"
    )

    def __init__(self, encoder: nn.Module, tasks: int, *, experts: int = 4, width: int | None = None) -> None:
        super().__init__(encoder, tasks, shared=experts, own=0, levels=1, width=width)


class CGC(GatedExperts):
    """Customised gate control: shared experts and experts of each task, mixed by a gate per task.

    Args:
        encoder: See :class:`GatedExperts`.
        tasks: Number of tasks.
        experts: Shared experts.
        task_experts: Experts per task.
        width: See :class:`GatedExperts`.
    """

    reference = (
        'H. Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model for Personalized '
        'Recommendations", RecSys 2020'
    )

    def __init__(
        self, encoder: nn.Module, tasks: int, *, experts: int = 2, task_experts: int = 1, width: int | None = None
    ) -> None:
        super().__init__(encoder, tasks, shared=experts, own=task_experts, levels=1, width=width)


class PLE(GatedExperts):
    """Progressive layered extraction: several levels of :class:`CGC`.

    Experts of a lower level are read by the gate that makes the shared input of the next, so they are shared.

    Args:
        encoder: See :class:`GatedExperts`.
        tasks: Number of tasks.
        experts: Shared experts per level.
        task_experts: Experts per task and level.
        levels: Number of levels.
        width: See :class:`GatedExperts`.
    """

    reference = CGC.reference

    def __init__(
        self,
        encoder: nn.Module,
        tasks: int,
        *,
        experts: int = 2,
        task_experts: int = 1,
        levels: int = 2,
        width: int | None = None,
    ) -> None:
        super().__init__(encoder, tasks, shared=experts, own=task_experts, levels=levels, width=width)
