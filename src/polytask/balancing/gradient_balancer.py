"""Methods that look at per-task gradients: where these come from, and who applies what is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import grad

from ..errors import UserError
from ..processes import sum_over_processes, world_size
from .balancer import Balancer, Losses
from .gradients import (
    Block,
    Dense,
    backward_replacing,
    combine,
    gramian,
    leaves,
    representation_rows,
    rows_at_representation,
    scalar_with_gradients,
    shared_rows,
)
from .linear_parts import Owners
from .needs import Gradients, Needs
from .task_losses import TaskLosses

BYTES = 4


@dataclass(frozen=True)
class StepTensors:
    """What one step has to differentiate.

    Attributes:
        losses: The losses.
        present: ``[n]`` positions of the tasks that have one.
        features: The shared representations, if given.
        shared: The shared parameters, if given.
    """

    losses: TaskLosses
    present: Tensor
    features: list[Tensor] | None
    shared: list[Tensor] | None

    @property
    def values(self) -> Tensor:
        """``[n]`` losses of the present tasks."""
        return self.losses.values if self.losses.complete else self.losses.values[self.present]


class GradientBalancer(Balancer):
    """A method that turns gradients of the tasks into weights: ``[n, n]`` Gramian to ``[n]`` weights in :meth:`find`.

    The shared layers get ``sum_t user_t * weight_t * grad L_t``; every head gets its own ``user_t * grad L_t`` unless
    ``head_weighting``. Tasks without a label, or with a zero gradient, are left out of what is found: a zero row would
    swallow the whole step in some methods.

    Args:
        gradients: ``exact``: of all shared parameters, one backward pass per task. ``representation``: at the shared
            representation, which costs little and is an upper bound in the sense of Sener and Koltun (2018).
            ``gramian``: inner products of the exact rows without storing them; :meth:`attach` the encoder first.
        every: Steps between new weights; in between the last ones are used at the cost of equal weights.
        head_weighting: The heads' gradients are weighted as the shared ones.
    """

    sees = "gradients per task"
    sources: ClassVar[tuple[Gradients, ...]] = ("exact", "representation", "gramian")

    def __init__(self, *, gradients: str = "exact", every: int = 1, head_weighting: bool = False) -> None:
        super().__init__()
        self._check(gradients=(gradients, self.sources))
        self._check_range(every=(every, 1, float("inf")))
        self.gradients: Any = gradients
        self.every = every
        self.head_weighting = head_weighting
        self._engine: list[Any] = []
        self._owners = Owners()
        self._means = torch.zeros(0)  # [K] losses of the step in progress, for methods that look at them, too
        self.found: Tensor
        self.register_buffer("found", torch.ones(0))

    @property
    def needs(self) -> Needs:
        return Needs(gradients=self.gradients)

    def cost(self, shared: Iterable[Tensor]) -> str:
        numbers, tasks = sum(parameter.numel() for parameter in shared), len(self.tasks)
        steps = "per step" if self.every == 1 else f"every {self.every} steps"
        if self.gradients == "representation":
            return f"{steps}: gradients of {tasks} tasks at the shared representation"
        if self.gradients == "gramian":
            return f"{steps}: backward passes of {tasks} tasks, a {tasks} x {tasks} matrix"
        size = tasks * numbers * BYTES / 1e6
        return (
            f"{steps}: {tasks} backward passes, {tasks} tasks x {numbers:,} shared parameters x {BYTES} bytes "
            f"= {size:,.1f} MB of gradients"
        )

    def _start(self, tasks: int) -> None:
        self.found = torch.ones(tasks)

    def attach(self, encoder: nn.Module) -> None:
        """Hook the shared modules for ``gradients="gramian"``; call once, before the first forward pass.

        Raises:
            UserError: If there are several processes.
        """
        if self.gradients == "gramian" and not self._engine:
            self._refuse_several_processes()
            from .extras import torchjd_aggregation

            torchjd_aggregation(self.name)
            from torchjd.autogram import Engine

            self._engine.append(Engine(encoder, batch_dim=None))

    def find(self, gramian: Tensor, present: Tensor) -> Tensor:
        """Weights of the present tasks.

        Args:
            gramian: ``[n, n]`` inner products of their gradients.
            present: ``[n]`` their positions, for state per task.

        Returns:
            ``[n]``.
        """
        raise NotImplementedError

    def backward(
        self,
        losses: Losses,
        *,
        shared: Iterable[Tensor] | None = None,
        features: Tensor | Sequence[Tensor] | None = None,
        counts: Mapping[str, int] | None = None,
        backward: Callable[[Tensor], object] = Tensor.backward,
    ) -> Tensor:
        step = self._step_tensors(self._prepare(losses, counts), shared, features)
        self.gramian = None
        weights = self._update(step, backward, new=self.steps % self.every == 0)
        self.steps += 1
        return weights.detach()

    def _step_tensors(
        self,
        losses: TaskLosses,
        shared: Iterable[Tensor] | None,
        features: Tensor | Sequence[Tensor] | None,
    ) -> StepTensors:
        parts = [features] if isinstance(features, Tensor) else list(features) if features is not None else None
        trained = None if shared is None else [parameter for parameter in shared if parameter.requires_grad]
        if trained is None and parts is not None and self.gradients != "representation":
            trained = leaves(parts)
        if self.gradients == "representation" and parts is None:
            raise UserError(f"balancer {self.name!r}: give features=, the tensor from which all heads read")
        if self.gradients != "representation" and not trained:
            raise UserError(f"balancer {self.name!r}: give shared=, the parameters that all tasks share, or features=")
        if not losses.values.requires_grad and parts is not None:  # no task in this process
            losses = replace(losses, values=losses.values + 0.0 * parts[0].sum())
        everybody = torch.arange(len(losses.counts), device=losses.counts.device)
        present = everybody if losses.complete else everybody[losses.present]
        return StepTensors(losses, present, parts, trained)

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        """One step of a method that finds weights."""
        rows = self._rows(step) if new and self.gradients != "gramian" else None
        found = self._find(step, rows) if new else self.found
        weights = torch.where(step.losses.present, found, 0.0) * self.user_weights
        combined = None if rows is None else combine(weights[step.present], rows)
        self._finish(step, weights, self._head_weights(weights, step.losses), combined, backward)
        return weights

    def _head_weights(self, weights: Tensor, losses: TaskLosses) -> Tensor:
        if self.head_weighting:
            return weights
        plain = self.user_weights * losses.present
        return torch.where(torch.isfinite(weights), plain, weights)  # a step to skip is skipped as a whole

    def _rows(self, step: StepTensors) -> list[Block]:
        if self.gradients == "representation":
            assert step.features is not None
            return rows_at_representation(step.values, step.features, **self._structure(step))
        assert step.shared is not None
        rows = shared_rows(step.values, step.features, step.shared, **self._structure(step))
        return [Dense(row) for row in rows]

    def _structure(self, step: StepTensors) -> dict[str, Any]:
        """What is known about the heads' structure from earlier steps."""
        present = () if step.losses.complete else tuple(step.present.tolist())
        return {"owners": self._owners, "present": present}

    def _find(self, step: StepTensors, rows: list[Block] | None, factor: Tensor | None = None) -> Tensor:
        """``[K]`` new weights, kept for the next steps; NaN, with the state as it was, if a gradient is not finite.

        Args:
            step: This step.
            rows: The gradients; None for Gramians only.
            factor: ``[n]`` by which the gradients are multiplied beforehand.
        """
        self._means = step.losses.means
        inner = self.gramian = self._gramian(step, rows)
        if factor is not None:
            inner = inner * factor * factor[:, None]
        if not torch.isfinite(inner).all():
            return torch.full_like(self.found, torch.nan)
        useful = inner.diagonal() > 0
        found = torch.ones_like(inner[0])
        if useful.all():
            found = self.find(inner, step.present)
        elif useful.any():
            found[useful] = self.find(inner[useful][:, useful], step.present[useful])
        self.found = self.found.index_copy(0, step.present, found.to(self.found.dtype))
        return self.found

    def _gramian(self, step: StepTensors, rows: list[Block] | None) -> Tensor:
        if rows is not None:
            inner = gramian(rows)
            # Rows at the representation belong to the samples of this process; those of parameters are averaged.
            return sum_over_processes(inner) / world_size() ** 2 if self.gradients == "representation" else inner
        if not self._engine:
            raise UserError(f"balancer {self.name!r}: call attach(encoder) once, before the first forward pass")
        self._refuse_several_processes()
        return self._engine[0].compute_gramian(step.values).detach()

    def _refuse_several_processes(self) -> None:
        if world_size() > 1:
            raise UserError(
                f"balancer {self.name!r}: gradients='gramian' works in one process only: the Gramian of averaged "
                "gradients has products of one process's gradients with another's, which takes the gradients "
                "themselves; use 'exact' or 'representation'"
            )

    def _finish(
        self,
        step: StepTensors,
        weights: Tensor,
        head_weights: Tensor,
        combined: list[Tensor] | None,
        backward: Callable[[Tensor], object],
    ) -> None:
        """Bring the combination into the shared layers and the heads' own gradients into the heads, in one backward.

        Args:
            weights: ``[K]`` of the shared layers.
            head_weights: ``[K]`` of the heads.
            combined: The gradients for the shared parameters (or representations), if they are known already.
        """
        values = step.losses.values
        trunk, heads = weights.to(values.dtype) @ values, head_weights.to(values.dtype) @ values
        at_features = step.features is not None and (combined is None or self.gradients == "representation")
        if combined is None and self.head_weighting:
            backward(trunk)
        elif at_features:
            assert step.features is not None
            if combined is None:
                combined = [row[0] for row in representation_rows(trunk[None], step.features)]
            backward_replacing(heads, step.features, combined, backward)
        else:
            assert step.shared is not None
            shared = step.shared
            if combined is None:
                combined = [part[0] for part in shared_rows(trunk[None], None, shared, reduce=False)]
            ids = {id(parameter) for parameter in shared}
            own = [leaf for leaf in leaves([heads], step.features or ()) if id(leaf) not in ids]
            own_gradients = list(grad(heads, own)) if own else []
            backward(scalar_with_gradients(trunk, shared + own, combined + own_gradients))
