"""Linear layers, found in the graph of a step, whose structure makes gradients per task cheap.

Nothing is assumed: a graph that does not have the structure gives None, and plain autograd does the work.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import grad
from torch.autograd.graph import GradientEdge

#: What maps element by element, so that its derivative is a factor per element.
ELEMENTWISE = {
    f"{name}Backward0"
    for name in (
        "Relu", "Gelu", "Silu", "Elu", "LeakyRelu", "Tanh", "Sigmoid", "Softplus", "Hardtanh", "NativeDropout", "Mul",
        "ToCopy", "Alias",
    )
}  # fmt: skip
#: Losses that pass through float16 are multiplied by this, below which small gradients would vanish.
HALF_SCALE = 1024.0
#: Steps for which a structure once found is taken for granted, and how many structures are remembered.
TRUSTED, MOST_KNOWN = 64, 31


def seeds(values: Tensor, through: Sequence[Tensor]) -> tuple[Tensor, float]:
    """``[n, n]`` starts of a backward pass per loss, and the factor in them."""
    scale = HALF_SCALE if any(part.dtype == torch.float16 for part in through) else 1.0
    return torch.eye(len(values), device=values.device, dtype=values.dtype) * scale, scale


@dataclass(frozen=True)
class Linear:
    """``outputs = inputs @ weight + bias`` in a graph.

    Attributes:
        node: The graph's node.
        inputs: ``[N, D_in]``.
        weight: ``[D_in, D_out]``.
        source: The node that made the inputs.
    """

    node: Any
    inputs: Tensor
    weight: Tensor
    source: Any

    @property
    def outputs(self) -> GradientEdge:
        """Where gradients at the outputs can be asked for."""
        return GradientEdge(self.node, 0)


def as_linear(node: Any) -> Linear | None:
    """The layer behind a node; None if there is none, or if it has not kept what it is made of."""
    names = {"AddmmBackward0": ("_saved_mat1", 1), "MmBackward0": ("_saved_self", 0)}
    if node.name() not in names:
        return None
    saved, position = names[node.name()]
    inputs, weight = getattr(node, saved), node._saved_mat2
    if inputs is None or weight is None or getattr(node, "_saved_alpha", 1) != 1:
        return None
    return Linear(node, inputs.detach(), weight.detach(), node.next_functions[position][0])


def walk(starts: Sequence[Any], stop: Sequence[Any] = ()) -> Iterator[Any]:
    """All nodes from which ``starts`` come, those behind ``stop`` left out."""
    seen, todo = set(stop), [node for node in starts if node is not None]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        todo.extend(following for following, _ in node.next_functions if following is not None)


@dataclass(frozen=True)
class Readout:
    """The gradients of n losses at ``features``, where each reads them through linear outputs of its own.

    That of loss i is ``errors[:, own] @ weight[own]`` with the outputs it owns, so that inner products and sums need
    none of them written out.

    Attributes:
        errors: ``[B, W]`` gradient of its owner's loss at every output.
        weight: ``[W, D]``.
        owned: ``[W, n]`` 1 where the output belongs to the loss.
    """

    errors: Tensor
    weight: Tensor
    owned: Tensor

    def gramian(self) -> Tensor:
        """``[n, n]`` inner products: ``(E^T E) * (W W^T)``, summed over the outputs of every loss."""
        products = (self.errors.T @ self.errors) * (self.weight @ self.weight.T)
        return self.owned.T @ products @ self.owned

    def combine(self, weights: Tensor) -> Tensor:
        """``[B, D]`` the sum of the gradients with ``[n]`` weights."""
        return (self.errors * (self.owned @ weights.to(self.owned.dtype))) @ self.weight

    def row(self, index: int) -> Tensor:
        """``[B, D]`` one of them."""
        own = self.owned[:, index].nonzero()[:, 0]
        return self.errors[:, own] @ self.weight[own]

    def dense(self) -> Tensor:
        """``[n, B, D]`` all of them, written out."""
        return (self.errors * self.owned.T[:, None]) @ self.weight


class Owners:
    """Which loss owns which output: found out by a backward pass per loss, then taken for granted for some steps while
    the graph between them looks the same."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Tensor, int]] = {}

    def recall(self, key: Hashable) -> Tensor | None:
        """``[W, n]`` as kept under ``key``; None if that is too long ago."""
        owned, left = self._known.get(key, (None, 0))
        if owned is None or left == 0:
            return None
        self._known[key] = owned, left - 1
        return owned

    def keep(self, key: Hashable, owned: Tensor) -> None:
        """Remember ``owned`` if it is complete: an output without any error just now may be anybody's."""
        if bool((owned.sum(1) == 1).all()):
            self._known.pop(key, None)
            self._known = {key: (owned, TRUSTED), **dict(list(self._known.items())[:MOST_KNOWN])}


def readout(
    values: Tensor,
    features: Tensor,
    others: Sequence[Tensor] = (),
    *,
    owners: Owners | None = None,
    present: Hashable = None,
) -> Readout | None:
    """The structure of everything between ``features`` and the losses, if it is the one of :class:`Readout`.

    Args:
        values: ``[n]`` losses.
        features: ``[B, D]``.
        others: Further representations, through which no way leads to ``features``.
        owners: What is known from earlier steps of the same loop.
        present: Which tasks the losses are of.
    """
    origin = features.grad_fn
    if origin is None or features.ndim != 2:
        return None
    stops = [origin, *(part.grad_fn for part in others)]
    nodes = list(walk([values.grad_fn], stops))
    readers = [node for node in nodes if any(following is origin for following, _ in node.next_functions)]
    layers = [as_linear(node) for node in readers]
    if not layers or any(layer is None or layer.source is not origin for layer in layers):
        return None
    found = [layer for layer in layers if layer is not None]
    weight = torch.cat([layer.weight.float() for layer in found], 1).T
    outputs = [layer.outputs for layer in found]
    starts, scale = seeds(values, [features])
    key = (present, len(values), len(weight), tuple(node.name() for node in nodes))
    owned = None if owners is None else owners.recall(key)
    if owned is not None:
        parts = grad(values, outputs, starts.diagonal(), retain_graph=True)
        errors = torch.cat([part.float() for part in parts], 1)
        return Readout(errors if scale == 1 else errors / scale, weight, owned)
    try:
        parts = grad(values, outputs, starts, retain_graph=True, is_grads_batched=True)
    except RuntimeError:  # a loss that torch.func cannot batch
        return None
    errors = torch.cat([part.float() for part in parts], 2)
    used = errors.abs().sum(1) != 0  # many times faster than any()
    if not bool((used.sum(0) <= 1).all()):
        return None  # an output with several losses
    owned = used.T.float()
    if owners is not None:
        owners.keep(key, owned)
    errors = errors.sum(0)
    return Readout(errors if scale == 1 else errors / scale, weight, owned)


def layer_of(weight: Tensor, features: Tensor) -> Linear | None:
    """The linear layer with this ``weight`` on the way to ``features``, if it is used exactly once there."""
    consumers: dict[Any, list[Any]] = {}
    start: Any = None
    for node in walk([features.grad_fn]):
        if getattr(node, "variable", None) is weight:
            start = node
        for following, _ in node.next_functions:
            consumers.setdefault(following, []).append(node)
    node = start
    while node is not None:
        above = consumers.get(node, [])
        if len(above) != 1:
            return None
        node = above[0]
        if node.name() not in ("TBackward0", "ToCopyBackward0"):
            layer = as_linear(node)
            return layer if layer is not None and layer.weight.shape == weight.shape[::-1] else None
    return None


def slope(layer: Linear, features: Tensor) -> Tensor | None:
    """``[N, D]`` derivative of ``features`` for the layer's outputs, if it is a factor per element."""
    node = features.grad_fn
    while node is not layer.node:
        before = [following for following, _ in node.next_functions if following is not None] if node else []
        if node is None or node.name() not in ELEMENTWISE or len(before) != 1:
            return None
        node = before[0]
    if features.shape != (len(layer.inputs), layer.weight.shape[1]):
        return None
    if features.grad_fn is layer.node:
        return torch.ones_like(features, dtype=torch.float32)
    return grad(features, [layer.outputs], torch.ones_like(features), retain_graph=True)[0].float()
