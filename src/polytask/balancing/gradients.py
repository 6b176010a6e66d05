"""Where per-task gradients come from, and how a combination of them gets into ``.grad``.

Rows are the gradients of the tasks, stacked: one tensor ``[n, *shape]`` per parameter (or per representation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, grad

from ..errors import UserError
from ..processes import sum_over_processes, world_size

#: Rows that pass through float16 are taken from losses of this scale, below which small gradients would vanish.
HALF_SCALE = 1024.0


def representation_rows(values: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of every loss at the shared representation.

    Args:
        values: ``[n]`` losses.
        features: Representations, ``[B, ...]`` each.

    Returns:
        ``[n, B, ...]`` per representation, float32.

    Raises:
        UserError: If the losses do not depend on ``features``.
    """
    scale = HALF_SCALE if any(part.dtype == torch.float16 for part in features) else 1.0
    seeds = torch.eye(len(values), device=values.device, dtype=values.dtype) * scale
    rows: Sequence[Tensor | None]
    try:
        rows = grad(values, features, seeds, retain_graph=True, is_grads_batched=True, allow_unused=True)
    except RuntimeError:  # a head that torch.func cannot batch: one task after another
        each = [grad(values, features, seed, retain_graph=True, allow_unused=True) for seed in seeds]
        rows = [None if parts[0] is None else torch.stack(parts) for parts in zip(*each, strict=True)]
    found = [row.float() / scale for row in rows if row is not None]
    if len(found) < len(rows):
        raise UserError(
            "features: the losses do not depend on them; give the very tensor that the heads read, "
            "and compile the encoder and the heads apart from each other"
        )
    return found


def shared_rows(
    values: Tensor, features: Sequence[Tensor] | None, shared: Sequence[Tensor], *, reduce: bool = True
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
    if features is None:
        seeds = torch.eye(len(values), device=values.device, dtype=values.dtype)
        outputs, starts = [values], [[seed] for seed in seeds]
    else:
        outputs = list(features)
        at_features = representation_rows(values, features)
        starts = [
            [row[i].to(out.dtype) for row, out in zip(at_features, outputs, strict=True)] for i in range(len(values))
        ]
    rows = [parameter.new_zeros(len(values), *parameter.shape) for parameter in shared]
    # One after another: as fast as batched on a CPU for dense layers and faster for convolutions and attention.
    for i, start in enumerate(starts):
        for row, part in zip(rows, _gradients(outputs, shared, start), strict=True):
            if part is not None:
                row[i] = part
    if reduce and world_size() > 1:
        rows = [sum_over_processes(row) / world_size() for row in rows]
    return rows


def _gradients(outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Tensor]) -> Sequence[Tensor | None]:
    try:
        return grad(outputs, inputs, seeds, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "donated buffer" not in str(error):
            raise
        raise UserError(
            "a compiled encoder must be gone through once per task: set torch._functorch.config.donated_buffer = False "
            "before its first step, or choose gradients='representation'"
        ) from error


def gramian(rows: Sequence[Tensor]) -> Tensor:
    """``[n, n]`` inner products of the rows.

    Example:
        >>> gramian([torch.tensor([[1., 0.], [1., 1.]]), torch.tensor([[2.], [0.]])])
        tensor([[5., 1.],
                [1., 2.]])
    """
    flat = [row.flatten(1) for row in rows]
    return torch.stack([row @ row.T for row in flat]).sum(0)


def combine(weights: Tensor, rows: Sequence[Tensor]) -> list[Tensor]:
    """``sum_i weights_i row_i`` for every tensor of rows."""
    return [(weights.to(row.dtype) @ row.flatten(1)).view(row.shape[1:]) for row in rows]


def leaves(outputs: Sequence[Tensor], stop: Sequence[Tensor] = ()) -> list[Tensor]:
    """The parameters on which ``outputs`` depend otherwise than through ``stop``.

    Example:
        >>> trunk, head = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
        >>> features = trunk(torch.ones(1, 2))
        >>> sorted(tuple(leaf.shape) for leaf in leaves([head(features).sum()], stop=[features]))
        [(1,), (1, 3)]
    """
    seen: set[Any] = {tensor.grad_fn for tensor in stop}
    found: list[Tensor] = []
    todo = [tensor.grad_fn for tensor in outputs]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        todo.extend(following for following, _ in node.next_functions)
    return found


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
