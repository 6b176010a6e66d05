"""Methods with per-task gradients: where these come from, and who applies what is found."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import grad

from ..errors import UserError
from ..processes.collectives import anywhere, sum_over_processes, world_size
from .balancer import Balancer, Shared
from .extras import torchjd_aggregation
from .given import parameters_of, representations_of
from .gradients import (
    Block,
    backward_replacing,
    combine,
    finite,
    gramian,
    parameter_rows,
    representation_rows,
    rows_at_representation,
    scalar_with_gradients,
)
from .needs import Gradients, Needs
from .step_graph import Differentiated, StepGraph
from .task_losses import OwnOutputs, TaskLosses

BYTES = 4


#: Factors for float16 that are tried until gradients are finite.
SHRINK = (1.0, 2.0**-12, 2.0**-24)


@dataclass(frozen=True)
class StepTensors:
    """What one step has to differentiate.

    Attributes:
        losses: The losses as the method sees them: tasks that learn from soft labels count as absent.
        everything: The losses with those of these tasks.
        features: The shared representations, if given, and if the shared parameters act through them alone.
        shared: The trained ones of the shared parameters, if given.
        sizes: Numbers of elements of the shared parameters, in their order; 0 for one that is not trained.
        source: Where gradients come from in this step.
        graph: The graph of all losses.
    """

    losses: TaskLosses
    everything: TaskLosses
    features: list[Tensor] | None
    shared: list[Tensor] | None
    sizes: list[int]
    source: Gradients
    graph: StepGraph

    @cached_property
    def present(self) -> Tensor:
        """``[n]`` positions of the tasks that the method sees."""
        everybody = torch.arange(len(self.losses.counts), device=self.losses.counts.device)
        return everybody if self.losses.complete else everybody[self.losses.present]

    @property
    def values(self) -> Tensor:
        """``[n]`` losses of the tasks that the method sees."""
        return self.losses.values if self.losses.complete else self.losses.values[self.present]

    @cached_property
    def half(self) -> bool:
        """Gradients pass through float16, in some process."""
        return anywhere(self.graph.half)

    @cached_property
    def differentiated(self) -> Differentiated:
        """These losses, with their graph."""
        outputs = self.losses.outputs
        if outputs is not None and not self.losses.complete:
            outputs = OwnOutputs(outputs.weight, outputs.owned[:, self.present])
        return Differentiated(self.values, self.graph, None, outputs)

    def attempts(self, losses: Differentiated) -> Iterator[Differentiated]:
        """The losses, through float16 with smaller and smaller factors."""
        yield from [losses.scaled(factor) for factor in SHRINK] if self.half else [losses]

    def gradients_of(self, total: Tensor, *, at_features: bool, reduce: bool = False) -> list[Tensor | None]:
        """The gradients of one more loss, at the representations or for the shared parameters."""
        for losses in self.attempts(Differentiated(total[None], self.graph)):
            if at_features:
                assert self.features is not None
                found: list[Tensor | None] = [row[0] for row in representation_rows(losses, self.features)]
            else:
                assert self.shared is not None
                blocks = parameter_rows(losses, self.features, self.shared, reduce=reduce)
                found = [block.rows[0] if block.reached else None for block in blocks]
            if all(part is None or bool(torch.isfinite(part.sum())) for part in found if losses.factors is not None):
                break
        return found


class GradientBalancer(Balancer):
    """A method that turns gradients of the tasks into weights: ``[n, n]`` Gramian to ``[n]`` weights in :meth:`find`.

    The shared layers get ``sum_t user_t * weight_t * grad L_t``; every head gets its own ``user_t * grad L_t`` unless
    ``head_weighting``. Tasks without a label, or with a zero gradient, are left out of what is found: a zero row would
    make the whole step 0 in some methods.

    Args:
        gradients: ``exact``: of all shared parameters, one backward pass per task. ``representation``: at the shared
            representation, which costs little and is an upper bound in the sense of Sener and Koltun (2018).
            ``gramian``: inner products of the exact rows without storing them, with ``every=1``; :meth:`attach` the
            encoder first.
        every: Steps between new weights; in between the last ones are used at the cost of equal weights.
        head_weighting: The heads' gradients are weighted as the shared ones.
    """

    sees = "gradients per task"
    newer = (*Balancer.newer, "found_at")
    sources: ClassVar[tuple[Gradients, ...]] = ("exact", "representation", "gramian")

    def __init__(self, *, gradients: str = "exact", every: int = 1, head_weighting: bool = False) -> None:
        super().__init__()
        self._check(gradients=(gradients, self.sources))
        self._check_range(every=(every, 1, float("inf")))
        if gradients == "gramian" and every > 1:
            raise UserError(
                f"balancer {self.name!r}: gradients='gramian' hooks every forward pass and is read in every step; "
                f"expected every=1, found {every}; or give gradients='exact' or 'representation'"
            )
        self.gradients: Any = gradients
        self.every = every
        self.head_weighting = head_weighting
        self._engine: list[Any] = []
        self._all_found: int | None = None  # the step of the last new weights, if all tasks took part
        self._said: set[str] = set()  # tasks whose loss does not depend on what is shared
        self._means = torch.zeros(0)  # [K] losses of the step in progress, for methods that look at them, too
        self.found: Tensor
        self.register_buffer("found", torch.ones(0))
        #: ``[K]`` the step in which the weight of each task was found; negative if it never was.
        self.found_at: Tensor
        self.register_buffer("found_at", torch.zeros(0, dtype=torch.int64))

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
        self.found_at = torch.full((tasks,), -self.every)

    def attach(self, encoder: nn.Module) -> None:
        """Hook the shared modules for ``gradients="gramian"``; call once, before the first forward pass.

        Raises:
            UserError: If there are several processes.
        """
        if self.gradients == "gramian" and not self._engine:
            self._refuse_several_processes()
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

    def _step(
        self,
        losses: TaskLosses,
        shared: Shared | None,
        features: Tensor | Sequence[Tensor] | None,
        backward: Callable[[Tensor], object],
    ) -> Tensor:
        step = self._step_tensors(losses, shared, features)
        self.gramian = None
        if not step.losses.nothing:
            new = self.every == 1 or self._due(step)
            weights = self._update(step, backward, new=new)
            if new and self.every > 1:
                self.found_at = self.found_at.index_fill(0, step.present, self.steps)
                self._all_found = self.steps if step.losses.complete else None
            return weights
        weights = self._weigh(torch.zeros_like(losses.means), step)
        self._finish(step, weights, self._head_weights(weights, step.everything), None, backward)
        return weights

    def set_extra_state(self, state: Tensor) -> None:
        super().set_extra_state(state)
        self._all_found = None

    def _due(self, step: StepTensors) -> bool:
        """New weights are due: in every so many steps, or earlier for a task that was absent then."""
        if step.losses.complete and self._all_found is not None:  # the device need not be asked
            return self.steps - self._all_found >= self.every
        return bool((self.steps - self.found_at[step.present] >= self.every).any())

    def _step_tensors(
        self, losses: TaskLosses, shared: Shared | None, features: Tensor | Sequence[Tensor] | None
    ) -> StepTensors:
        parts, given, source = representations_of(features), parameters_of(shared), self.gradients
        trained = None if given is None else [parameter for parameter in given if parameter.requires_grad]
        if source == "representation" and parts is None:
            raise UserError(f"balancer {self.name!r}: give features=, the tensor from which all heads read")
        if trained is None and parts is None:
            raise UserError(f"balancer {self.name!r}: give shared=, the parameters that all tasks share, or features=")
        nodes = losses.nodes
        absent = nodes is not None and not any(nodes)  # no task in this process
        if absent:
            nodes, nothing = None, sum(part.flatten()[:0].sum() for part in parts or ())
            losses = replace(losses, values=losses.values + nothing)
        learning = self._learning(losses)
        if nodes is not None and not learning.complete:
            nodes = tuple(node for node, here in zip(nodes, learning.present.tolist(), strict=True) if here)
        graph = StepGraph(losses.values, nodes, parts)
        if anywhere(graph.acts_past(trained)):  # rows at the representation would lack a part of the gradient
            trained, parts = graph.behind if trained is None else trained, None
            source, graph = "exact" if source == "representation" else source, StepGraph(losses.values, nodes, None)
        if trained is None and source != "representation":
            trained = graph.behind
        if source != "representation" and not absent:
            graph.check(trained or [])
        sizes = [parameter.numel() * parameter.requires_grad for parameter in given or trained or ()]
        return StepTensors(learning, losses, parts, trained, sizes, source, graph)

    def _weigh(self, found: Tensor, step: StepTensors) -> Tensor:
        """``[K]`` weights with the user's, from what the method has found for the tasks that it sees."""
        weights = found if step.losses.complete else torch.where(step.losses.present, found, 0.0)
        return self._with_switched(weights, step.everything, step.losses) * self.user_weights

    def _update(self, step: StepTensors, backward: Callable[[Tensor], object], *, new: bool) -> Tensor:
        """One step of a method that finds weights."""
        rows = self._rows(step) if new and step.source != "gramian" else None
        weights = self._weigh(self._find(step, rows) if new else self.found, step)
        combined = None if rows is None else combine(weights[step.present], rows)
        self._finish(step, weights, self._head_weights(weights, step.everything), combined, backward)
        return weights

    def _head_weights(self, weights: Tensor, losses: TaskLosses) -> Tensor:
        if self.head_weighting:
            return weights
        plain = self.user_weights if losses.complete else self.user_weights * losses.present
        return torch.where(torch.isfinite(weights), plain, weights)  # a step to skip is skipped as a whole

    def _rows(self, step: StepTensors) -> Sequence[Block]:
        for losses in step.attempts(step.differentiated):
            rows: Sequence[Block]
            if step.source == "representation":
                assert step.features is not None
                rows = rows_at_representation(losses, step.features)
            else:
                assert step.shared is not None
                rows = parameter_rows(losses, step.features, step.shared)
            if losses.factors is None or finite(rows):
                break
        return rows

    def _find(self, step: StepTensors, rows: Sequence[Block] | None, factor: Tensor | None = None) -> Tensor:
        """``[K]`` new weights, kept for the next steps; NaN, with the state as it was, if a gradient is not finite.

        Args:
            step: This step.
            rows: The gradients; None for Gramians only.
            factor: ``[n]`` by which the gradients are multiplied beforehand.
        """
        self._means = step.losses.means
        inner = self.gramian = self._gramian(step, rows)
        self.took_part = step.losses.present
        if factor is not None:
            inner = inner * factor * factor[:, None]
        if not torch.isfinite(inner).all():
            return torch.full_like(self.found, torch.nan)
        useful = inner.diagonal() > 0
        found = torch.ones_like(inner[0])
        if useful.all():
            found = self.find(inner, step.present)
        else:
            self._say_without(step, useful)
            if useful.any():
                found[useful] = self.find(inner[useful][:, useful], step.present[useful]).to(found.dtype)
        self.found = self.found.index_copy(0, step.present, found.to(self.found.dtype))
        return self.found

    def _say_without(self, step: StepTensors, useful: Tensor) -> None:
        """Warn once of a loss that does not depend on what is shared."""
        for place in (~useful).nonzero()[:, 0].tolist():
            task = self.tasks[int(step.present[place])]
            if task not in self._said and step.graph.depends(place, step.shared) is False:
                self._said.add(task)
                warnings.warn(
                    f"balancer {self.name!r}: the loss of {task!r} does not depend on the shared parameters (is "
                    "something detached on the way?); the task is left out of balancing",
                    stacklevel=2,
                )

    def _gramian(self, step: StepTensors, rows: Sequence[Block] | None) -> Tensor:
        if rows is not None:
            inner = gramian(rows)
            # Rows at the representation belong to the samples of this process; those of parameters are averaged.
            return sum_over_processes(inner) / world_size() ** 2 if step.source == "representation" else inner
        if not self._engine:
            raise UserError(f"balancer {self.name!r}: call attach(encoder) once, before the first forward pass")
        self._refuse_several_processes()
        inner = self._engine[0].compute_gramian(step.values).detach()
        return inner.float() if inner.dtype in (torch.float16, torch.bfloat16) else inner

    def _refuse_several_processes(self) -> None:
        if world_size() > 1:
            raise UserError(
                f"balancer {self.name!r}: gradients='gramian' works in one process only: the Gramian of averaged "
                "gradients has products of one process's gradients with another's, which needs the gradients "
                "themselves; use 'exact' or 'representation'"
            )

    def _finish(
        self,
        step: StepTensors,
        weights: Tensor,
        head_weights: Tensor,
        combined: Sequence[Tensor | None] | None,
        backward: Callable[[Tensor], object],
    ) -> None:
        """Bring the combination into the shared layers and the heads' own gradients into the heads, in one backward.

        Args:
            weights: ``[K]`` of the shared layers.
            head_weights: ``[K]`` of the heads.
            combined: The gradients for the shared parameters (or representations) of the tasks that the method sees,
                if they are known already.
        """
        values = step.everything.values
        trunk, heads = weights.to(values.dtype) @ values, head_weights.to(values.dtype) @ values
        if combined is None and self.head_weighting:
            backward(trunk)
            return
        at_features = step.features is not None and (combined is None or step.source == "representation")
        if combined is None:
            combined = step.gradients_of(trunk, at_features=at_features)
        elif self._any_switched:
            others = (weights * ~step.losses.present).to(values.dtype) @ values
            more = step.gradients_of(others, at_features=at_features, reduce=True)
            combined = [
                one if two is None else two if one is None else one + two
                for one, two in zip(combined, more, strict=True)
            ]
        if at_features:
            assert step.features is not None
            backward_replacing(heads, step.features, [part for part in combined if part is not None], backward)
        else:
            assert step.shared is not None
            ids = {id(parameter) for parameter in step.shared}
            leaves = {id(leaf): leaf for leaf in [*step.graph.past, *step.graph.behind]}  # tied ones are in both
            own = [leaf for place, leaf in leaves.items() if place not in ids]
            own_gradients = list(grad(heads, own, allow_unused=True)) if own else []
            backward(scalar_with_gradients(trunk, step.shared + own, [*combined, *own_gradients]))


class GradientMemory(GradientBalancer):
    """A method that remembers gradients of the shared parameters, in one row per task.

    It is reset where other parameters are trained than in the last step.
    """

    newer = (*GradientBalancer.newer, "sizes")

    def __init__(self, *, gradients: str = "exact", every: int = 1, head_weighting: bool = False) -> None:
        super().__init__(gradients=gradients, every=every, head_weighting=head_weighting)
        #: :attr:`StepTensors.sizes` of the last step; empty if not known.
        self.sizes: Tensor
        self.register_buffer("sizes", torch.zeros(0, dtype=torch.int64))

    def _start(self, tasks: int) -> None:
        super()._start(tasks)
        self.sizes = torch.zeros(0, dtype=torch.int64)

    def _kept(self, memory: Tensor, step: StepTensors, rows: Sequence[Tensor]) -> Tensor:
        """``[K, P]`` what is remembered, or zeros.

        Args:
            memory: The same, of the last step.
            step: This step.
            rows: ``[n, ...]`` gradients of this step, P elements per task.
        """
        before, self.sizes = self.sizes.tolist(), torch.tensor(step.sizes, device=self.found.device)
        shape = (len(self.found), sum(row[0].numel() for row in rows))
        others = bool(before) and before != step.sizes
        return rows[0].new_zeros(shape) if others or memory.shape != shape else memory
