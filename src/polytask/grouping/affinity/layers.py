"""Layers whose gradient is a sum of outer products, seen while a batch goes through them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ...processes.collectives import sum_over_processes, world_size


@dataclass(frozen=True)
class DenseCall:
    """A batch in a linear layer: sample b's gradient is (gradient at its output) x (its input).

    Attributes:
        name: Of the layer in the encoder.
        layer: The layer.
        inputs: ``[B, n]``, without graph.
        output: ``[B, d]``.
    """

    name: str
    layer: nn.Module
    inputs: Tensor
    output: Tensor

    def sums(self, weights: Tensor) -> Tensor:
        """``[W, n]``: ``sum_b weights[b, w] inputs[b]``."""
        return weights.T @ self.inputs.float()

    def squared_lengths(self) -> Tensor:
        """``[B]`` squared length of every sample's input."""
        inputs = self.inputs.float()
        return torch.linalg.vector_norm(inputs, dim=1).square()

    @property
    def biased(self) -> bool:
        """One input more, which is always 1."""
        return getattr(self.layer, "bias", None) is not None


@dataclass(frozen=True)
class BagCall:
    """A batch in a sum of embeddings, which is a linear layer with sparse inputs.

    Attributes:
        name: Of the layer in the encoder.
        layer: The layer.
        columns: ``[nnz]`` rows of the table that are used.
        samples: ``[nnz]`` which sample uses each.
        values: ``[nnz]`` with which factor.
        output: ``[B, d]``.
    """

    name: str
    layer: nn.EmbeddingBag
    columns: Tensor
    samples: Tensor
    values: Tensor
    output: Tensor

    def sums(self, weights: Tensor) -> Tensor:
        """As for :class:`DenseCall`, ``[W, rows of the table]``."""
        total = weights.new_zeros(self.layer.num_embeddings, weights.shape[1])
        return total.index_add_(0, self.columns, weights[self.samples] * self.values[:, None]).T

    def squared_lengths(self) -> Tensor:
        """As for :class:`DenseCall`; the columns of a sample differ from each other."""
        return self.values.new_zeros(len(self.output)).index_add_(0, self.samples, self.values**2)

    @property
    def biased(self) -> bool:
        """It has no bias."""
        return False


Call = DenseCall | BagCall


@contextmanager
def watched(module: nn.Module) -> Iterator[list[Call]]:
    """Collect the calls of all layers of ``module`` that have trained weights and take one vector per sample.

    Example:
        >>> encoder = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> with watched(encoder) as calls:
        ...     _ = encoder(torch.ones(5, 4))
        >>> [call.sums(torch.ones(5, 1)).shape for call in calls]
        [torch.Size([1, 4]), torch.Size([1, 3])]
    """
    calls: list[Call] = []

    def linear(name: str, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if inputs[0].dim() == 2:
            calls.append(DenseCall(name, layer, inputs[0].detach(), output))

    def bag(name: str, layer: nn.EmbeddingBag, inputs: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> None:
        call = _bag_call(name, layer, *inputs, **named, output=output)
        if call is not None:
            calls.append(call)

    handles = []
    for name, part in module.named_modules():
        trained = isinstance(part, nn.Linear | nn.EmbeddingBag) and part.weight.requires_grad
        if trained and isinstance(part, nn.Linear):
            handles.append(part.register_forward_hook(partial(linear, name)))
        elif trained and isinstance(part, nn.EmbeddingBag) and part.mode == "sum":
            handles.append(part.register_forward_hook(partial(bag, name), with_kwargs=True))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _bag_call(
    name: str,
    layer: nn.EmbeddingBag,
    input: Tensor,
    offsets: Tensor | None = None,
    per_sample_weights: Tensor | None = None,
    *,
    output: Tensor,
) -> BagCall | None:
    if input.dim() != 1 or offsets is None or layer.include_last_offset:
        return None
    ends = torch.cat([offsets[1:], offsets.new_tensor([len(input)])])
    samples = torch.arange(len(offsets), device=input.device).repeat_interleave(ends - offsets)
    values = output.new_ones(len(input)) if per_sample_weights is None else per_sample_weights
    return BagCall(name, layer, input, samples, values.detach().float(), output)


def calls_of_whole_batch(calls: list[Call], module: nn.Module, features: Tensor) -> list[Call]:
    """The calls of layers through which all rows of the batch go, on every process.

    An encoder may send some rows through one layer and some through another, and a layer does not know which it has.

    Args:
        calls: Of one batch in ``module``.
        module: The encoder.
        features: ``[B, D]``, what it gives for the batch.
    """
    whole = {call.name: True for call in calls}
    for call in calls:
        whole[call.name] &= len(call.output) == len(features)
    if world_size() > 1:
        names = [name for name, _ in module.named_modules()]
        found = sum_over_processes(features.new_tensor([whole.get(name, False) for name in names]))
        whole = {name: count == world_size() for name, count in zip(names, found.tolist(), strict=True)}
    return [call for call in calls if whole[call.name]]


def followed_share(calls: list[Call], module: nn.Module) -> float:
    """Share of the module's trained numbers that belong to the layers of ``calls``."""
    layers = {id(call.layer): call.layer for call in calls}.values()
    followed = sum(p.numel() for layer in layers for p in layer.parameters() if p.requires_grad)
    return followed / max(1, sum(p.numel() for p in module.parameters() if p.requires_grad))
