"""The Gramian of the tasks' gradients from sums over the batch and a few samples' Jacobians.

In a linear layer with inputs a_b, the gradient of task i is ``g_i = sum_b e_ib J_ib a_b^T``: e_ib is the derivative of
the task's loss for its output of sample b, and J_ib that of this output for the layer's output. So

    g_i . g_j = sum_{b, c} (e_ib e_jc) (a_b . a_c) (J_ib . J_jc).

All noise between batches is in e and a, which a training step has anyway. The Jacobians change slowly with training
and little between samples that push an output the same way (of a binary task: samples of one class). So e is split into
its positive and its negative part, and ``J_ib . J_jc`` is replaced by its mean over samples, for b = c together with
``|a_b|^2``. What is left are sums over the batch that cost 2 K n numbers each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...processes.collectives import sum_over_processes

#: Every sample keeps at least this share of the largest weight in the means of the Jacobians' products.
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class JacobianProducts:
    """Mean inner products of the outputs' Jacobians at one layer, or stacked for L layers.

    Attributes:
        different: ``[(L,) W, W]`` mean of J_ib . J_jc over b != c.
        same: ``[(L,) W, W]`` mean of |a_b|^2 (J_ib . J_jb) less mean |a_b|^2 times ``different``: what the pairs b = c
            have more than others.
    """

    different: Tensor
    same: Tensor


def by_sign(errors: Tensor) -> Tensor:
    """``[B, 2 W]`` from ``[B, W]``: the positive parts of all columns, then the negative ones.

    Example:
        >>> by_sign(torch.tensor([[3., -1.]]))
        tensor([[ 3.,  0.,  0., -1.]])
    """
    return torch.cat([errors.clamp_min(0), errors.clamp_max(0)], 1)


def jacobian_products(jacobians: Tensor, weights: Tensor, lengths: Tensor) -> JacobianProducts:
    """Mean products of Jacobians over samples.

    Args:
        jacobians: ``[W, m, d]`` derivative of output w of sample b for the layer's output.
        weights: ``[W, m]``, how much sample b matters for output w; not negative.
        lengths: ``[m]`` squared length of sample b's input.

    Example:
        >>> products = jacobian_products(torch.tensor([[[1., 0.], [0., 2.]]]), torch.ones(1, 2), torch.ones(2))
        >>> products.different, products.same
        (tensor([[0.]]), tensor([[2.5000]]))
    """
    weights = weights / weights.amax(1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
    weights = weights.clamp_min(LEAST_WEIGHT)
    roots = weights.sqrt()
    flat, weighted = (jacobians * (roots * lengths.sqrt())[:, :, None]).flatten(1), jacobians * weights[:, :, None]
    # Sums over the samples of all processes: for b = c the products with lengths, lengths, and weights; the b = c part
    # of the cross products, and its weights; weights, and weighted Jacobians.
    sums = [flat @ flat.T, (roots * lengths) @ roots.T, roots @ roots.T]
    sums += [weighted.flatten(1) @ weighted.flatten(1).T, weights @ weights.T]
    sums += [weights.sum(1, keepdim=True), weighted.sum(1)]
    gathered = sum_over_processes(torch.cat(sums, 1))
    own, length, mass, near, pairs, every, total = gathered.split([part.shape[1] for part in sums], 1)
    own, length = own / mass, length / mass
    apart = every @ every.T - pairs
    different = torch.where(apart > 1e-6 * pairs, (total @ total.T - near) / apart, own / length)
    return JacobianProducts(different, own - length * different)


def factored_gramian(products: JacobianProducts, crossed: Tensor, own: Tensor) -> Tensor:
    """``[W, W]`` inner products of the gradients of the outputs, summed over layers.

    Args:
        products: Of all L layers, stacked.
        crossed: ``[L, W, W]``: ``sum_{b, c} e_bw e_cv (a_b . a_c)``, which is the Gramian of ``sum_b e_bw a_b``.
        own: ``[W, W]``: ``sum_b e_bw e_bv``.

    Example (One layer, one output, two samples with orthogonal inputs and equal Jacobians):
        >>> products = JacobianProducts(torch.ones(1, 1, 1), torch.zeros(1, 1, 1))
        >>> factored_gramian(products, torch.tensor([[[25.]]]), torch.tensor([[25.]]))
        tensor([[25.]])
    """
    return (products.different * crossed).sum(0).addcmul_(products.same.sum(0), own)


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
