"""Where per-task gradients come from, and how a combination of them gets into ``.grad``.

Rows are the gradients of the tasks, one block per parameter (or per representation): ``[n, *shape]`` written out, or a
:class:`~polytask.balancing.linear_parts.Readout` that stands for them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, grad

from ..errors import UserError
from ..processes import sum_over_processes, world_size
from .linear_parts import Owners, Readout, readout, seeds, walk


@dataclass(frozen=True)
class Dense:
    """Rows written out, ``[n, *shape]``."""

    rows: Tensor

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


Block = Dense | Readout


def rows_at_representation(
    values: Tensor, features: Sequence[Tensor], *, owners: Owners | None = None, present: Hashable = None
) -> list[Block]:
    """Gradients of every loss at the shared representation; linear heads are recognised, and cost next to nothing.

    Args:
        values: ``[n]`` losses.
        features: Representations, ``[B, ...]`` each.
        owners: See :func:`~polytask.balancing.linear_parts.readout`.
        present: Likewise.

    Raises:
        UserError: If the losses do not depend on ``features``.
    """
    found: list[Block] = []
    for i, part in enumerate(features):
        structure = readout(values, part, [*features[:i], *features[i + 1 :]], owners=owners, present=(i, present))
        if structure is None:
            return [Dense(rows) for rows in representation_rows(values, features)]
        found.append(structure)
    return found


def representation_rows(values: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of every loss at the shared representation, written out, by plain autograd.

    Args:
        values: ``[n]`` losses.
        features: Representations, ``[B, ...]`` each.

    Returns:
        ``[n, B, ...]`` per representation, float32.

    Raises:
        UserError: If the losses do not depend on ``features``.
    """
    starts, scale = seeds(values, features)
    rows: Sequence[Tensor | None]
    try:
        rows = grad(values, features, starts, retain_graph=True, is_grads_batched=True, allow_unused=True)
    except RuntimeError:  # a head that torch.func cannot batch: one task after another
        each = [grad(values, features, start, retain_graph=True, allow_unused=True) for start in starts]
        rows = [None if parts[0] is None else torch.stack(parts) for parts in zip(*each, strict=True)]
    found = [row.float() if scale == 1 else row.float() / scale for row in rows if row is not None]
    if len(found) < len(rows):
        raise UserError(
            "features: the losses do not depend on them; give the very tensor that the heads read, "
            "and compile the encoder and the heads apart from each other"
        )
    return found


def shared_rows(
    values: Tensor,
    features: Sequence[Tensor] | None,
    shared: Sequence[Tensor],
    *,
    reduce: bool = True,
    owners: Owners | None = None,
    present: Hashable = None,
) -> list[Tensor]:
    """Gradients of every loss for the shared parameters, averaged over processes.

    Args:
        values: ``[n]`` losses.
        features: The representation that separates heads from shared layers, which saves going through all heads for
            every task; without it every row is a backward pass of its own from the loss.
        shared: Parameters.

    Returns:
        ``[n, *shape]`` per parameter; zeros for a parameter without influence.
    """
    blocks: Sequence[Block]
    if features is None:
        outputs, blocks = [values], [Dense(seeds(values, ())[0])]
    else:
        outputs = list(features)
        blocks = rows_at_representation(values, features, owners=owners, present=present)
    rows = [parameter.new_zeros(len(values), *parameter.shape) for parameter in shared]
    # One after another: as fast as batched on a CPU for dense layers and faster for convolutions and attention.
    for i in range(len(values)):
        start = [block.row(i).to(out.dtype) for block, out in zip(blocks, outputs, strict=True)]
        for row, part in zip(rows, _gradients(outputs, shared, start), strict=True):
            if part is not None:
                row[i] = part
    if reduce and world_size() > 1:
        rows = [sum_over_processes(row) / world_size() for row in rows]
    return rows


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], starts: Sequence[Tensor]
) -> Sequence[Tensor | None]:
    try:
        return grad(outputs, inputs, starts, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "donated buffer" not in str(error):
            raise
        raise UserError(
            "a compiled encoder must be gone through once per task: set torch._functorch.config.donated_buffer = False "
            "before its first step, or choose gradients='representation'"
        ) from error


def gramian(rows: Sequence[Block]) -> Tensor:
    """``[n, n]`` inner products of the rows.

    Example:
        >>> gramian([Dense(torch.tensor([[1., 0.], [1., 1.]])), Dense(torch.tensor([[2.], [0.]]))])
        tensor([[5., 1.],
                [1., 2.]])
    """
    return torch.stack([block.gramian() for block in rows]).sum(0)


def combine(weights: Tensor, rows: Sequence[Block]) -> list[Tensor]:
    """``sum_i weights_i row_i`` for every block of rows."""
    return [block.combine(weights) for block in rows]


def leaves(outputs: Sequence[Tensor], stop: Sequence[Tensor] = ()) -> list[Tensor]:
    """The parameters on which ``outputs`` depend otherwise than through ``stop``.

    Example:
        >>> trunk, head = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
        >>> features = trunk(torch.ones(1, 2))
        >>> sorted(tuple(leaf.shape) for leaf in leaves([head(features).sum()], stop=[features]))
        [(1,), (1, 3)]
    """
    nodes = walk([tensor.grad_fn for tensor in outputs], [tensor.grad_fn for tensor in stop])
    return [node.variable for node in nodes if hasattr(node, "variable")]


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


def scalar_with_gradients(value: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """A scalar whose ``backward()`` adds ``gradients`` to ``.grad`` of ``parameters``.

    Going through one ordinary backward call, a combination of rows is scaled by a gradient scaler and reduced by DDP
    as any other gradient.

    Example:
        >>> weight = torch.zeros(2, requires_grad=True)
        >>> (10 * scalar_with_gradients(torch.tensor(3.), [weight], [torch.tensor([1., 2.])])).backward()
        >>> weight.grad
        tensor([10., 20.])
    """
    return _Fill.apply(value.detach(), list(gradients), *parameters)


def backward_replacing(
    total: Tensor,
    features: Sequence[Tensor],
    replacements: Sequence[Tensor],
    backward: Callable[[Tensor], object],
) -> None:
    """Differentiate ``total``, but let ``replacements`` go on from ``features`` into the shared layers.

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


def matrix_root(gramian: Tensor) -> Tensor:
    """``R`` with ``R R^T = gramian`` over its numerical rank, float64.

    A function of rows that does not care about rotations, such as most aggregators, may take R in their place.
    """
    values, vectors = torch.linalg.eigh(gramian.double())
    kept = values > values.max() * len(values) * torch.finfo(gramian.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()
