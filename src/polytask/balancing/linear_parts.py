"""Linear layers, found in the graph of a step, whose structure makes gradients per task cheap.

Nothing is assumed: a graph that does not have the structure gives None, and plain autograd does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import grad
from torch.autograd.graph import GradientEdge

from .step_graph import Differentiated, Edge, edge_of, walk

#: What maps element by element, so that its derivative is a factor per element.
ELEMENTWISE = {
    f"{name}Backward0"
    for name in (
        "Relu", "Gelu", "Silu", "Elu", "LeakyRelu", "Tanh", "Sigmoid", "Softplus", "Hardtanh", "NativeDropout", "Mul",
        "ToCopy", "Alias",
    )
}  # fmt: skip


@dataclass(frozen=True)
class LinearPart:
    """``outputs = inputs @ weight + bias`` in a graph.

    Attributes:
        node: The graph's node.
        inputs: ``[N, D_in]``.
        weight: ``[D_in, D_out]``.
        source: Whose output the inputs are.
    """

    node: Any
    inputs: Tensor
    weight: Tensor
    source: Edge

    @property
    def parameter(self) -> Tensor | None:
        """What the weight is made of."""
        node = self.node.next_functions[-1][0]
        while node is not None and node.name() in ("TBackward0", "ToCopyBackward0"):
            node = node.next_functions[0][0]
        return getattr(node, "variable", None)

    @property
    def outputs(self) -> GradientEdge:
        """Where gradients at the outputs can be asked for."""
        return GradientEdge(self.node, 0)


def as_linear(node: Any) -> LinearPart | None:
    """The layer behind a node; None if there is none, or if it has not kept what it is made of."""
    names = {"AddmmBackward0": ("_saved_mat1", 1), "MmBackward0": ("_saved_self", 0)}
    if node.name() not in names:
        return None
    saved, position = names[node.name()]
    inputs, weight = getattr(node, saved), node._saved_mat2
    if inputs is None or weight is None or getattr(node, "_saved_alpha", 1) != 1:
        return None
    return LinearPart(node, inputs.detach(), weight.detach(), node.next_functions[position])


@dataclass(frozen=True)
class Readout:
    """The gradients of n losses at ``features``, where each reads them through linear separate outputs.

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
    reached: ClassVar[bool] = True

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


def readout(losses: Differentiated, features: Tensor) -> Readout | None:
    """The structure of everything between ``features`` and the losses, if it is the one of :class:`Readout`.

    Which loss reads which output is seen in the graph, where every layer leads to one loss; it is declared for a layer
    of which every output has one task; otherwise it is found out in every step by a backward pass per loss.

    Args:
        losses: Losses and their graph.
        features: ``[B, D]``, one of the representations.
    """
    origin = edge_of(features)
    if features.grad_fn is None or features.ndim != 2:
        return None
    readers = [node for node in losses.graph.heads if origin in node.next_functions]
    layers = [as_linear(node) for node in readers]
    if not layers or any(layer is None or layer.source != origin for layer in layers):
        return None
    if any(node.next_functions.count(origin) > 1 for node in readers):  # addmm that adds them to what it makes of them
        return None
    found = [layer for layer in layers if layer is not None]
    weight = torch.cat([layer.weight.float() for layer in found], 1).T
    outputs = [layer.outputs for layer in found]
    owned = _owned(losses, found)
    if owned is not None:
        parts = grad(losses.values, outputs, losses.scale, retain_graph=True)
        errors = torch.cat([part.float() for part in parts], 1)
        return Readout(losses.unscaled(errors, owned), weight, owned)
    try:
        parts = grad(losses.values, outputs, losses.starts, retain_graph=True, is_grads_batched=True)
    except RuntimeError:  # a loss that torch.func cannot batch
        return None
    errors = torch.cat([part.float() for part in parts], 2)
    used = errors.abs().sum(1) != 0  # many times faster than any()
    if not bool((used.sum(0) <= 1).all()):
        return None  # an output with several losses
    owned = used.T.float()
    return Readout(losses.unscaled(errors.sum(0), owned), weight, owned)


def _owned(losses: Differentiated, layers: Sequence[LinearPart]) -> Tensor | None:
    """``[W, n]``, 1 where an output of the layers belongs to the loss, by declaration or by the graph."""
    if losses.outputs is not None and len(layers) == 1 and layers[0].parameter is losses.outputs.weight:
        return losses.outputs.owned
    readers = losses.graph.readers([layer.node for layer in layers])
    if readers is None:
        return None
    widths = torch.tensor([layer.weight.shape[1] for layer in layers])
    rows = torch.cat([torch.eye(len(losses.values)), torch.zeros(1, len(losses.values))])  # -1: of nobody here
    return rows[readers].repeat_interleave(widths, 0).to(losses.values.device)


def layer_of(weight: Tensor, features: Tensor) -> LinearPart | None:
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


def slope(layer: LinearPart, features: Tensor) -> Tensor | None:
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
