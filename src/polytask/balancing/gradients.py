"""Where per-task gradients come from, and how a combination of them gets into ``.grad``.

Rows are the gradients of the tasks, one block per parameter (or per representation): ``[n, *shape]`` written out, or a
:class:`~polytask.balancing.linear_parts.Readout` that stands for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, grad

from ..errors import UserError
from ..processes.collectives import sum_over_processes, world_size
from .linear_parts import Readout, readout
from .step_graph import Differentiated, edge_of, leaves_of, reentrant_error, unread_error, walk


@dataclass(frozen=True)
class GradientRows:
    """Rows written out, ``[n, *shape]``, float32 or better.

    Attributes:
        rows: The rows; of a complex parameter ``[n, *shape, 2]``, since only the real part of a product counts.
        reached: False if no loss has a gradient here; then the rows are zeros, and ``.grad`` is left alone.
    """

    rows: Tensor
    reached: bool = True

    def gramian(self) -> Tensor:
        """``[n, n]`` inner products."""
        flat = self.rows.flatten(1)
        return flat @ flat.T

    def combine(self, weights: Tensor) -> Tensor:
        """``[*shape]`` the sum with ``[n]`` weights."""
        return (weights.to(self.rows.dtype) @ self.rows.flatten(1)).view(self.rows.shape[1:])

    def row(self, index: int) -> Tensor:
        """``[*shape]`` one of them."""
        return self.rows[index]

    def dense(self) -> Tensor:
        """``[n, *shape]``."""
        return self.rows


Block = GradientRows | Readout


def rows_at_representation(losses: Differentiated | Tensor, features: Sequence[Tensor]) -> list[Block]:
    """Gradients of every loss at the shared representation; linear heads are recognised, and cost next to nothing.

    Args:
        losses: ``[n]`` losses, or these with what is known of them.
        features: Representations, ``[B, ...]`` each.

    Raises:
        UserError: If the losses do not depend on ``features``.
    """
    losses = losses if isinstance(losses, Differentiated) else Differentiated.of(losses, features)
    found: list[Block] = []
    for part in features:
        structure = readout(losses, part)
        if structure is None:
            return [GradientRows(rows) for rows in representation_rows(losses, features)]
        found.append(structure)
    return found


def representation_rows(losses: Differentiated | Tensor, features: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of every loss at the shared representation, written out, by plain autograd.

    Args:
        losses: ``[n]`` losses, or these with what is known of them.
        features: Representations, ``[B, ...]`` each.

    Returns:
        ``[n, B, ...]`` per representation, float32 or better.

    Raises:
        UserError: If the losses do not depend on ``features``.
    """
    losses = losses if isinstance(losses, Differentiated) else Differentiated.of(losses, features)
    values, starts = losses.values, losses.starts
    rows: Sequence[Tensor | None]
    try:
        rows = grad(values, features, starts, retain_graph=True, is_grads_batched=True, allow_unused=True)
    except RuntimeError:  # a head that torch.func cannot batch: one task after another
        each = [_gradients([values], features, [start]) for start in starts]
        rows = [None if parts[0] is None else torch.stack(parts) for parts in zip(*each, strict=True)]
    found = [losses.row(row) for row in rows if row is not None]
    if len(found) < len(rows):
        raise unread_error()
    return found


def shared_rows(values: Tensor, features: Sequence[Tensor] | None, shared: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of every loss for the shared parameters, averaged over processes.

    Args:
        values: ``[n]`` losses.
        features: The representation that separates heads from shared layers, which saves going through all heads for
            every task; without it every row is a separate backward pass from the loss.
        shared: Parameters.

    Returns:
        ``[n, *shape]`` per parameter; zeros for a parameter without influence.

    Raises:
        UserError: If the losses do not depend on ``shared``.
    """
    losses = Differentiated.of(values, features)
    if losses.graph.acts_past(shared):
        features, losses = None, Differentiated.of(values, None)
    losses.graph.check(shared)
    return [block.rows for block in parameter_rows(losses, features, shared)]


def parameter_rows(
    losses: Differentiated, features: Sequence[Tensor] | None, shared: Sequence[Tensor], *, reduce: bool = True
) -> list[GradientRows]:
    """As :func:`shared_rows`, for losses whose graph has been checked."""
    rows, reached = [_empty(len(losses.values), part) for part in shared], set()
    blocks = None if features is None else rows_at_representation(losses, features)
    outputs = [losses.values] if features is None else features
    # One after another: as fast as batched on a CPU for dense layers and faster for convolutions and attention.
    for i in range(len(losses.values)):
        starts = [losses.starts[i]] if blocks is None else [block.row(i) for block in blocks]
        if blocks is not None and losses.factors is not None:
            starts = [start * losses.factor(i) for start in starts]
        starts = [start.to(out.dtype) for start, out in zip(starts, outputs, strict=True)]
        for place, part in enumerate(_gradients(outputs, shared, starts)):
            if part is not None:
                rows[place][i] = _real(part, place)
                reached.add(place)
    if losses.factors is not None:
        rows = [losses.row(row) for row in rows]
    if reduce and world_size() > 1:
        rows = [sum_over_processes(row) / world_size() for row in rows]
        flags = torch.tensor([float(place in reached) for place in range(len(rows))], device=rows[0].device)
        reached = set(sum_over_processes(flags).nonzero()[:, 0].tolist())
    return [GradientRows(row, place in reached) for place, row in enumerate(rows)]


def _empty(number: int, parameter: Tensor) -> Tensor:
    """``[n, *shape]`` zeros, float32 or better, for the gradients of a parameter."""
    like = torch.view_as_real(parameter.detach()) if parameter.is_complex() else parameter
    dtype = torch.float32 if like.dtype in (torch.float16, torch.bfloat16) else like.dtype
    return like.new_zeros(number, *like.shape, dtype=dtype)


def _real(gradient: Tensor, place: int) -> Tensor:
    """A gradient as real numbers."""
    if gradient.layout != torch.strided:
        raise UserError(
            f"shared: parameter {place} has sparse gradients, which methods with per-task gradients do not "
            "support; make the embedding with sparse=False, or use a method that uses only losses"
        )
    return torch.view_as_real(gradient) if gradient.is_complex() else gradient


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], starts: Sequence[Tensor]
) -> Sequence[Tensor | None]:
    try:
        return grad(outputs, inputs, starts, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "checkpoint" in str(error) and "use_reentrant" in str(error):
            raise reentrant_error() from error
        if "donated buffer" not in str(error):
            raise
        raise UserError(
            "a compiled encoder needs one backward pass per task: set torch._functorch.config.donated_buffer = False "
            "before its first step, or choose gradients='representation'"
        ) from error


def gramian(rows: Sequence[Block]) -> Tensor:
    """``[n, n]`` inner products of the rows.

    Example:
        >>> gramian([GradientRows(torch.tensor([[1., 0.], [1., 1.]])), GradientRows(torch.tensor([[2.], [0.]]))])
        tensor([[5., 1.],
                [1., 2.]])
    """
    return torch.stack([block.gramian() for block in rows]).sum(0)


def finite(rows: Sequence[Block]) -> bool:
    """Whether all numbers are."""
    return all(bool(torch.isfinite((row.rows if isinstance(row, GradientRows) else row.errors).sum())) for row in rows)


def combine(weights: Tensor, rows: Sequence[Block]) -> list[Tensor | None]:
    """``sum_i weights_i row_i`` for every block of rows; None where no loss has a gradient."""
    return [block.combine(weights) if block.reached else None for block in rows]


def leaves(outputs: Sequence[Tensor], stop: Sequence[Tensor] = ()) -> list[Tensor]:
    """The parameters on which ``outputs`` depend otherwise than through ``stop``.

    Example:
        >>> trunk, head = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
        >>> features = trunk(torch.ones(1, 2))
        >>> sorted(tuple(leaf.shape) for leaf in leaves([head(features).sum()], stop=[features]))
        [(1,), (1, 3)]
    """
    return leaves_of(walk([tensor.grad_fn for tensor in outputs], {edge_of(tensor) for tensor in stop}))


class _Fill(Function):
    """A scalar whose gradients are given."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Sequence[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        (scale,) = upstream
        return None, None, *[scale * gradient for gradient in ctx.gradients]


def scalar_with_gradients(value: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Tensor:
    """A scalar whose ``backward()`` adds ``gradients`` to ``.grad`` of ``parameters``; None leaves one alone.

    Going through one ordinary backward call, a combination of rows is scaled by a gradient scaler and reduced by DDP
    as any other gradient.

    Example:
        >>> weight = torch.zeros(2, requires_grad=True)
        >>> (10 * scalar_with_gradients(torch.tensor(3.), [weight], [torch.tensor([1., 2.])])).backward()
        >>> weight.grad
        tensor([10., 20.])
    """
    given = [(p, _as(p, found)) for p, found in zip(parameters, gradients, strict=True) if found is not None]
    return _Fill.apply(value.detach(), [found for _, found in given], *[parameter for parameter, _ in given])


def _as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """A gradient in the shape of its parameter, complex again if that is."""
    if gradient.shape == parameter.shape:
        return gradient
    if parameter.is_complex() and not gradient.is_complex():
        return torch.view_as_complex(gradient.reshape(*parameter.shape, 2))
    return gradient.view_as(parameter)


def backward_replacing(
    total: Tensor,
    features: Sequence[Tensor],
    replacements: Sequence[Tensor],
    backward: Callable[[Tensor], object],
) -> None:
    """Differentiate ``total``, but let ``replacements`` continue from ``features`` into the shared layers.

    Heads get the gradient of ``total``; the replacements are multiplied by the factor that ``backward`` puts before
    ``total`` (a gradient scaler's).
    """
    scale: list[Tensor] = []

    def replace(replacement: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda gradient: (scale[0] * replacement).to(gradient.dtype)

    handles = [total.register_hook(scale.append)]
    handles += [part.register_hook(replace(new)) for part, new in zip(features, replacements, strict=True)]
    try:
        backward(total)
    finally:
        for handle in handles:
            handle.remove()


def of_unit_rows(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """``[n, n]`` cosines of the rows, and ``[n]`` their norms, which have to be above 0.

    Where a method does not depend on the norms, its solver should not either: beside a row that is a thousand times as
    long another one would be taken for rounding.

    Example:
        >>> of_unit_rows(torch.tensor([[4.0, 1.0], [1.0, 1.0]]))
        (tensor([[1.0000, 0.5000],
                [0.5000, 1.0000]]), tensor([2., 1.]))
    """
    norms = gramian.diagonal().sqrt()
    return gramian / norms / norms[:, None], norms


def matrix_root(gramian: Tensor) -> Tensor:
    """``R`` with ``R R^T = gramian`` over its numerical rank, float64.

    A function of rows that does not care about rotations, such as most aggregators, may take R in their place.
    """
    values, vectors = torch.linalg.eigh(gramian.double())
    kept = values > values.max() * len(values) * torch.finfo(gramian.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()
