"""Gradients of every loss for one linear layer near the representation, measured along a few directions.

For ``y = a W^T`` the gradient of a loss is ``G = delta^T a`` with the gradient ``delta`` at y. Written out for K losses
that costs as much as K backward passes through the layer. Its norm needs less: for directions R with
``E[R R^T] = 1``, ``E |G R|^2 = |G|^2``, and ``G R = delta^T (a R)`` is narrow. The first direction is the mean of the
inputs, in which most of a gradient lies behind a ReLU, and is exact; the others are random and orthogonal to it. A wide
layer need not be measured at all of its outputs, either.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import grad

from ..processes.collectives import anywhere, sum_over_processes, world_size
from .linear_parts import LinearPart, Readout, layer_of, readout, slope
from .randomness import step_seed
from .step_graph import Differentiated


def last_layer_rows(
    losses: Differentiated, features: Sequence[Tensor], weight: Tensor, *, directions: int, every: int = 1, seed: int
) -> Tensor | None:
    """``[n, r, D_out / every]``: gradients for ``weight`` along ``r`` directions, averaged over processes.

    Args:
        losses: ``[n]`` losses and their graph.
        features: The representations from which all heads read, ``[B, D]`` each.
        weight: ``[D_out, D_in]`` of a linear layer on the way to them.
        directions: r; from ``D_in`` on, the gradients themselves.
        every: Measure at one in this many of the layer's outputs, enlarged so that squared norms keep their mean.
        seed: Seed of the directions and of the choice of outputs, equal on every process.

    Returns:
        None where there is no such layer: the caller differentiates.
    """
    layers = [layer_of(weight, part) for part in features]
    found = [layer for layer in layers if layer is not None]
    if anywhere(not features or len(found) < len(features)):
        return None
    sketch = _directions([layer.inputs for layer in found], directions, seed)
    outputs, parts = slice(seed % every, None, every), []
    for layer, here in zip(found, features, strict=True):
        inputs = layer.inputs.float().T
        projected = inputs if sketch is None else sketch @ inputs
        parts.append(_rows(losses, here, readout(losses, here), layer, projected, outputs))
    rows = sum(parts[1:], parts[0]).mT
    rows = rows if every == 1 else rows * every**0.5
    return sum_over_processes(rows) / world_size() if world_size() > 1 else rows


def _directions(inputs: Sequence[Tensor], number: int, seed: int) -> Tensor | None:
    """``[r, D_in]``: the mean of the inputs, and random vectors orthogonal to it; None for all."""
    width = inputs[0].shape[1]
    if number >= width:
        return None
    sums = [part.float().sum(0, keepdim=True) for part in inputs]
    total = sum_over_processes(sum(sums[1:], sums[0]))
    mean = total / torch.linalg.vector_norm(total).clamp_min(1e-12)
    generator = torch.Generator(mean.device).manual_seed(step_seed(seed, number))
    random = torch.randn(number - 1, width, device=mean.device, generator=generator).div_(max(1, number - 1) ** 0.5)
    return torch.cat([mean, torch.addmm(random, random @ mean.T, mean, alpha=-1)])


def _rows(
    losses: Differentiated,
    here: Tensor,
    heads: Readout | None,
    layer: LinearPart,
    projected: Tensor,
    outputs: slice,
) -> Tensor:
    """``[n, r, D_out]`` from the projected inputs ``[r, N]`` of the layer behind the representation ``here``."""
    factor = None if heads is None else slope(layer, here)
    if heads is None or factor is None:
        return projected @ _differentiated(losses, layer)[..., outputs]
    # delta of loss i is the sum over its outputs p of errors_p x weight_p, times the slope: first per output.
    errors = heads.errors.T.contiguous()[:, None]
    products = (errors * projected).flatten(0, 1) @ factor[:, outputs]
    per_output = products.unflatten(0, (len(errors), -1)) * heads.weight[:, None, outputs]
    return (heads.owned.T @ per_output.flatten(1)).unflatten(1, per_output.shape[1:])


def _differentiated(losses: Differentiated, layer: LinearPart) -> Tensor:
    """``[n, N, D_out]`` gradients at the layer's outputs."""
    values, starts = losses.values, losses.starts
    try:
        rows = grad(values, [layer.outputs], starts, retain_graph=True, is_grads_batched=True)[0]
    except RuntimeError:  # something on the way that torch.func cannot batch
        rows = torch.stack([grad(values, [layer.outputs], start, retain_graph=True)[0] for start in starts])
    return losses.row(rows).float()
