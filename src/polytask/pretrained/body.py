"""Pretrained networks as encoders: from tokens or images to one vector per row, or to one per word or position too."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from .checkpoint import Checkpoint
from .tokens import NOTHING

#: Rows that go through the network at a time where no gradients are wanted.
ROWS_AT_ONCE = 64
#: The number of a layer in the name of a parameter.
_LAYER = re.compile(r"(?:layers?|h|blocks?|stages|layer_modules?)\.(\d+)\.")


class Body(nn.Module):
    """A pretrained network.

    Args:
        network: The network of transformers.
        pooling: ``mean`` of all tokens or positions, or the first token (``cls``).
        items: Also give a vector for every word or position, ``[B, 1 + L, D]``.

    Attributes:
        plain: In an exported program use plain operations alone, see :func:`write_plainly`.
    """

    plain = False

    def __init__(self, network: nn.Module, pooling: str, items: bool) -> None:
        super().__init__()
        self.network, self.pooling, self.items = network, pooling, items

    def forward(self, inputs: Any) -> Tensor:
        """``[B, D]``, or ``[B, 1 + L, D]`` with ``items``."""
        if torch.compiler.is_exporting():  # a program must not depend on these rows
            return self.for_any_number(inputs) if self.plain else self.features(inputs)
        rows = next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs
        if torch.is_grad_enabled() or len(rows) <= ROWS_AT_ONCE:
            return self.features(self.shortened(inputs))
        parts = (_rows(inputs, slice(start, start + ROWS_AT_ONCE)) for start in range(0, len(rows), ROWS_AT_ONCE))
        return torch.cat([self.features(self.shortened(part)) for part in parts])

    def shortened(self, inputs: Any) -> Any:
        """The inputs without what is padding in all of these rows."""
        return inputs

    @abstractmethod
    def features(self, inputs: Any) -> Tensor:
        """What :meth:`forward` gives, for few rows."""

    def for_any_number(self, inputs: Any) -> Tensor:
        """The same in a program whose operations are for two rows and more, for one row, too: by one row more."""
        more = tree_map(lambda values: torch.cat([values, values[:1]]), inputs)
        return self.features(more)[:-1]

    def depths(self) -> dict[str, int]:
        """How many layers lie above each parameter: 0 from the last one on, most for the embeddings."""
        found = {name: _LAYER.search(name) for name, _ in self.named_parameters()}
        layers = {name: int(match[1]) for name, match in found.items() if match}
        count = max(layers.values(), default=-1) + 1
        first = True
        depths = {}
        for name in found:  # in the order of the network: embeddings, layers, what is behind
            first = first and name not in layers
            depths[name] = count - 1 - layers[name] if name in layers else (count if first else 0)
        return depths


class TextBody(Body):
    """A network of texts.

    Shapes:
        Takes ``tokens`` ``[B, L]``, ``second`` ``[B, L]`` and ``words`` ``[B, W]`` as
        :class:`~polytask.pretrained.tokens.TextReader` makes them. Words that are cut off have the vector 0.
    """

    def __init__(self, network: Any, pooling: str, items: bool, padding: int) -> None:
        super().__init__(network, pooling, items)
        self.padding = padding
        self.segments = getattr(network.config, "type_vocab_size", 0) > 1

    def shortened(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        lengths = (inputs["tokens"] != NOTHING).sum(1)
        longest = max(1, int(lengths.max())) if len(lengths) else 1
        return {name: value if name == "words" else value[:, :longest] for name, value in inputs.items()}

    def features(self, inputs: Mapping[str, Tensor]) -> Tensor:
        present = inputs["tokens"] != NOTHING
        tokens = torch.where(present, inputs["tokens"].long(), self.padding)
        options = {}
        if self.segments and "second" in inputs:
            options["token_type_ids"] = inputs["second"].long()
        hidden = self.network(input_ids=tokens, attention_mask=present.long(), **options).last_hidden_state
        weights = present[..., None].to(hidden.dtype)
        pooled = hidden[:, 0] if self.pooling == "cls" else (hidden * weights).sum(1) / weights.sum(1).clamp_min(1)
        if not self.items:
            return pooled
        places = inputs["words"].long()
        chosen = hidden.gather(1, places.clamp_min(0)[..., None].expand(-1, -1, hidden.shape[2]))
        return torch.cat([pooled[:, None], chosen * (places != NOTHING)[..., None]], 1)


class ImageBody(Body):
    """A network of images.

    Shapes:
        Takes bytes ``[B, 3, S, S]``, alone or as ``pictures``; positions go row by row.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, network: Any, pooling: str, items: bool, center: list[float], scale: list[float]) -> None:
        super().__init__(network, pooling, items)
        self.register_buffer("center", 255 * torch.tensor(center).view(-1, 1, 1), persistent=False)
        self.register_buffer("scale", 255 * torch.tensor(scale).view(-1, 1, 1), persistent=False)
        self.first = hasattr(getattr(network, "embeddings", None), "cls_token")

    def features(self, inputs: Any) -> Tensor:
        images = inputs["pictures"] if isinstance(inputs, Mapping) else inputs
        hidden = self.network(pixel_values=(images.float() - self.center) / self.scale).last_hidden_state
        places = hidden.flatten(2).transpose(1, 2) if hidden.ndim == 4 else hidden[:, int(self.first) :]
        pooled = hidden[:, 0] if self.pooling == "cls" and self.first else places.mean(1)
        return torch.cat([pooled[:, None], places], 1) if self.items else pooled


def make_body(checkpoint: Checkpoint, pooling: str, *, items: bool) -> Body:
    """The body of a checkpoint."""
    network = checkpoint.network()
    if checkpoint.reads == "text":
        padding = getattr(network.config, "pad_token_id", None) or 0
        return TextBody(network, pooling, items, int(padding))
    said = checkpoint.images()
    half = [0.5] * 3
    return ImageBody(network, pooling, items, said.get("image_mean") or half, said.get("image_std") or half)


def write_plainly(model: nn.Module) -> bool:
    """Let pretrained networks in ``model`` be exported in plain operations: what makes them fast is not always what can
    be written.

    Returns:
        Whether there are any that were to be written otherwise.
    """
    bodies = [module for module in model.modules() if isinstance(module, Body) and not module.plain]
    for body in bodies:
        body.plain = True
        choose: Any = getattr(body.network, "set_attn_implementation", None)
        if choose is not None:
            choose("eager")
    return bool(bodies)


def _rows(inputs: Any, rows: slice) -> Any:
    return {name: values[rows] for name, values in inputs.items()} if isinstance(inputs, Mapping) else inputs[rows]
