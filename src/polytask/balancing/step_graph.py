"""The graph of one step: what lies between losses, representation and parameters. Nothing is remembered of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..errors import UserError
from .task_losses import OwnOutputs

#: Losses that pass through float16 are multiplied by this, below which small gradients would vanish.
HALF_SCALE = 1024.0
#: Name of the node of reentrant checkpointing, behind which a graph shows none of the parameters.
REENTRANT = "CheckpointFunctionBackward"
#: Type of the node of a parameter.
LEAF = "AccumulateGrad"
#: Type of the node of a conversion.
CONVERSION = "ToCopyBackward0"


#: A node and the number of one of its outputs: a node as that of ``chunk`` has several.
Edge = tuple[Any, int]


def edge_of(tensor: Tensor) -> Edge:
    """The output of a node that a tensor is."""
    return tensor.grad_fn, tensor.output_nr


def walk(starts: Sequence[Any], stop: Collection[Edge] = ()) -> Iterator[Any]:
    """All nodes from which ``starts`` come, those left out that are only behind ``stop``."""
    seen, todo = set(), [node for node in starts if node is not None]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        todo.extend(edge[0] for edge in node.next_functions if edge[0] is not None and edge not in stop)


def leaves_of(nodes: Iterable[Any]) -> list[Tensor]:
    """The parameters among the nodes of a graph."""
    return [node.variable for node in nodes if type(node).__name__ == LEAF]


class StepGraph:
    """The nodes of one step.

    Args:
        values: ``[n]`` losses.
        nodes: The node behind each, if known.
        features: The representations that separate heads from shared layers; None for none.
    """

    def __init__(self, values: Tensor, nodes: Sequence[Any] | None, features: Sequence[Tensor] | None) -> None:
        self._values, self._nodes = values, nodes
        self._separated = bool(features)
        self._stops = {edge_of(part) for part in features or () if part.grad_fn is not None}

    @cached_property
    def heads(self) -> list[Any]:
        """Nodes between losses and representations; all nodes without these."""
        return list(walk([self._values.grad_fn], self._stops))

    @cached_property
    def trunk(self) -> list[Any]:
        """Nodes behind the representations."""
        return list(walk([node for node, _ in self._stops]))

    @cached_property
    def past(self) -> list[Tensor]:
        """Parameters that act on the losses otherwise than through the representations."""
        return leaves_of(self.heads)

    @cached_property
    def behind(self) -> list[Tensor]:
        """Parameters that act on the representations."""
        return leaves_of(self.trunk)

    @cached_property
    def nested(self) -> bool:
        """A representation is made from another one, as those of the stages of a network are."""
        return len(self._stops) > 1 and any(not self._stops.isdisjoint(node.next_functions) for node in self.trunk)

    def acts_past(self, shared: Sequence[Tensor] | None) -> bool:
        """A shared parameter acts on a loss past the representations, too: tied weights, a skip connection, or a
        representation between it and another one.

        Raises:
            UserError: If the losses do not depend on the representations at all.
        """
        if not self._separated:
            return False
        ids = {id(parameter) for parameter in (self.behind if shared is None else shared)}
        past = any(id(leaf) in ids for leaf in self.past)
        if past and self._stops and all(self._stops.isdisjoint(node.next_functions) for node in self.heads):
            raise unread_error()
        return past or self.nested

    def check(self, shared: Sequence[Tensor]) -> None:
        """Refuse shared parameters that the losses do not depend on.

        Raises:
            UserError: If none takes part, or a part of the network hides its parameters.
        """
        reached = {id(leaf) for leaf in self.past} | {id(leaf) for leaf in self.behind}
        missing = [parameter for parameter in shared if parameter.is_leaf and id(parameter) not in reached]
        if missing and any(node.name() == REENTRANT for node in [*self.heads, *self.trunk]):
            raise reentrant_error()
        if shared and len(missing) == len(shared):
            raise UserError(
                f"shared: the losses depend on none of these {len(shared)} parameters; give those of the module that "
                "made the representation in this step (not a copy of it), and compute the losses with gradients enabled"
            )

    @property
    def half(self) -> bool:
        """Gradients pass through float16, which only a conversion makes of losses in float32."""
        return any(
            _is_half(node) or any(following is not None and _is_half(following) for following, _ in node.next_functions)
            for node in [*self.heads, *self.trunk]
            if type(node).__name__ == CONVERSION
        )

    def readers(self, layers: Sequence[Any]) -> list[int] | None:
        """The loss to which each of these nodes leads, -1 for none; None if one leads to several, or if it cannot be
        told."""
        if self._nodes is None:
            return None
        owners: dict[Any, int] = {}
        wanted = set(layers)
        for position, start in enumerate(self._nodes):
            for node in walk([start], self._stops):
                if node in wanted and owners.setdefault(node, position) != position:
                    return None
        return [owners.get(node, -1) for node in layers]

    def depends(self, position: int, shared: Sequence[Tensor] | None) -> bool | None:
        """A loss depends on a representation or a shared parameter; None where this cannot be told."""
        if self._nodes is None:
            return None
        ids = {id(parameter) for parameter in shared or ()}
        return any(
            id(getattr(node, "variable", None)) in ids or not self._stops.isdisjoint(node.next_functions)
            for node in walk([self._nodes[position]])
        )


def _is_half(node: Any) -> bool:
    return any(tensor.dtype == torch.float16 for tensor in node._input_metadata)


@dataclass(frozen=True)
class Differentiated:
    """Losses whose gradients are asked for one by one.

    Attributes:
        values: ``[n]``.
        graph: Their graph.
        factors: ``[n]``, by which each is multiplied on its way through the graph; None for 1, which they are
            unless it has float16.
        outputs: See :class:`~polytask.balancing.task_losses.TaskLosses`, for these losses: ``[W, n]``.
    """

    values: Tensor
    graph: StepGraph
    factors: Tensor | None = None
    outputs: OwnOutputs | None = None

    @classmethod
    def of(
        cls,
        values: Tensor,
        features: Sequence[Tensor] | None,
        nodes: Sequence[Any] | None = None,
        outputs: OwnOutputs | None = None,
    ) -> Differentiated:
        """Losses and their graph."""
        return cls(values, StepGraph(values, nodes, features), None, outputs)

    @property
    def scale(self) -> Tensor:
        """``[n]`` start of a backward pass of their sum."""
        return torch.ones_like(self.values) if self.factors is None else self.factors

    @property
    def starts(self) -> Tensor:
        """``[n, n]`` starts of a backward pass per loss."""
        return torch.diag(self.scale)

    def factor(self, index: int) -> Tensor | float:
        """The factor of one loss."""
        return 1.0 if self.factors is None else self.factors[index]

    def row(self, row: Tensor, index: int | None = None) -> Tensor:
        """The gradient of one loss (or ``[n, *shape]`` of all), in float32 or better and without the factors."""
        row = row.float() if row.dtype in (torch.float16, torch.bfloat16) else row
        if self.factors is None:
            return row
        return row / (self.factors.view(-1, *[1] * (row.ndim - 1)) if index is None else self.factors[index])

    def unscaled(self, errors: Tensor, owned: Tensor) -> Tensor:
        """``[B, W]`` gradients at outputs of which each is ``owned`` by one loss, without the factors."""
        if self.factors is None:
            return errors
        factors = owned @ self.factors.float()
        return errors / torch.where(factors > 0, factors, 1.0)

    def scaled(self, shrink: float) -> Differentiated:
        """With factors for float16: large enough for small gradients, and less for losses above 1."""
        size = torch.exp2(torch.nan_to_num(self.values.detach(), nan=1.0).abs().clamp(1, 2.0**60).log2().floor())
        return replace(self, factors=HALF_SCALE * shrink / size)


def unread_error() -> UserError:
    """What to do about representations that nobody reads."""
    return UserError(
        "features: the losses do not depend on them; give the very tensor that the heads read, "
        "and compile the encoder and the heads separately"
    )


def reentrant_error() -> UserError:
    """What to do about reentrant checkpointing."""
    return UserError(
        "shared: part of the network uses reentrant checkpointing, which hides its parameters from per-task "
        "gradients; pass use_reentrant=False (transformers: "
        "gradient_checkpointing_enable(gradient_checkpointing_kwargs="
        "{'use_reentrant': False})), or use gradients='representation' or a method that uses only losses"
    )
