"""The Gramian of the tasks' gradients from sums over the batch and a few samples' Jacobians.

In a linear layer with inputs a_b, the gradient of task i is ``g_i = sum_b e_ib J_ib a_b^T``: e_ib is the derivative of
the task's loss for its output of sample b, and J_ib that of this output for the layer's output. So

    g_i . g_j = sum_{b, c} (e_ib e_jc) (a_b . a_c) (J_ib . J_jc).

All noise between batches is in e and a, which a training step has anyway. The Jacobians change slowly with training
and little between samples. With ``J_ib . J_jc`` replaced by a mean over samples, one for b = c and another for b != c,
what is left are sums over the batch that cost K n numbers each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...processes import sum_over_processes

#: Every sample keeps at least this share of the largest weight in the means of the Jacobians' products.
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class JacobianProducts:
    """Mean inner products of the outputs' Jacobians at one layer.

    Attributes:
        same: ``[W, W]`` mean of J_ib . J_jb.
        different: ``[W, W]`` mean of J_ib . J_jc over b != c.
    """

    same: Tensor
    different: Tensor


def jacobian_products(jacobians: Tensor, weights: Tensor) -> JacobianProducts:
    """Mean products of Jacobians over samples.

    Args:
        jacobians: ``[W, m, d]`` derivative of output w of sample b for the layer's output.
        weights: ``[W, m]``, how much sample b matters for output w; not negative.

    Example:
        >>> products = jacobian_products(torch.tensor([[[1., 0.], [0., 2.]]]), torch.ones(1, 2))
        >>> products.same, products.different
        (tensor([[2.5000]]), tensor([[0.]]))
    """
    weights = weights / weights.amax(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    weights = weights.clamp_min(LEAST_WEIGHT)
    flat = (jacobians * weights.sqrt()[:, :, None]).flatten(1)
    weighted = jacobians * weights[:, :, None]
    total = weighted.sum(1)
    # Sums over the samples of all processes: same, their weights, b = c part of the cross products, its weights.
    same, near = flat @ flat.T, weighted.flatten(1) @ weighted.flatten(1).T
    roots, pairs = weights.sqrt() @ weights.sqrt().T, weights @ weights.T
    size = len(weights)
    gathered = sum_over_processes(torch.cat([same, near, roots, pairs, weights.sum(1, keepdim=True), total], 1))
    same, near, roots, pairs, mass, total = gathered.split([size] * 4 + [1, total.shape[1]], 1)
    mean = same / roots
    apart = mass @ mass.T - pairs
    enough = apart > 1e-6 * pairs
    return JacobianProducts(mean, torch.where(enough, (total @ total.T - near) / apart.where(enough, 1.0), mean))


def factored_gramian(products: Sequence[JacobianProducts], crossed: Sequence[Tensor], same: Sequence[Tensor]) -> Tensor:
    """``[W, W]`` inner products of the gradients of the outputs, summed over layers.

    Args:
        products: Per layer.
        crossed: Per layer ``[W, W]``: ``sum_{b, c} e_bw e_cv (a_b . a_c)``, which is the Gramian of ``sum_b e_bw a_b``.
        same: Per layer ``[W, W]``: the part of it with b = c, ``sum_b e_bw e_bv |a_b|^2``.

    Example (One layer, one output, two samples with orthogonal inputs and equal Jacobians):
        >>> products = [JacobianProducts(torch.ones(1, 1), torch.ones(1, 1))]
        >>> factored_gramian(products, [torch.tensor([[25.]])], [torch.tensor([[25.]])])
        tensor([[25.]])
    """
    total = torch.zeros_like(crossed[0])
    for product, every_pair, own in zip(products, crossed, same, strict=True):
        # different (crossed - same) + own (same), the larger part first
        total.addcmul_(product.different, every_pair).addcmul_(product.same - product.different, own)
    return total


def chosen_rows(importance: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Rows drawn by importance, without a random number: evenly spaced in the cumulated probabilities.

    Args:
        importance: ``[B]``, not negative. A fifth of the probability is shared evenly.
        number: How many.

    Returns:
        ``[number]`` rows (a row of much importance more than once) and their probabilities.

    Example:
        >>> chosen_rows(torch.tensor([0., 0., 0., 4.]), 4)[0]
        tensor([2, 3, 3, 3])
    """
    share = importance / importance.sum().clamp_min(torch.finfo(importance.dtype).tiny)
    probability = 0.8 * share + 0.2 / len(share)
    probability = probability / probability.sum()
    ticks = (torch.arange(number, device=share.device) + 0.5) / number
    rows = torch.searchsorted(probability.cumsum(0), ticks).clamp_max(len(share) - 1)
    return rows, probability[rows]
