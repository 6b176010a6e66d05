"""Inputs of any structure, such as graphs: kept item by item, and made into a batch by a collate function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Items:
    """Items of a data set, indexable by row like a tensor, of which the encoder is given what a function makes.

    Attributes:
        items: All items of the data set.
        collate: Makes the encoder's inputs of a list of items.
        rows: ``[n]`` int64, the items that are the rows; None for all.
        device: Where batches go.

    Example:
        >>> items = Items(["ab", "c"], lambda some: torch.tensor([len(one) for one in some]))
        >>> items[torch.tensor([1, 0, 1])].collated(), len(items)
        (tensor([1, 2, 1]), 2)
    """

    items: Sequence[Any]
    collate: Callable[[list[Any]], Any]
    rows: Tensor | None = None
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.items) if self.rows is None else len(self.rows)

    def __getitem__(self, ids: Tensor | slice) -> Items:
        rows = torch.arange(len(self)) if self.rows is None else self.rows
        return replace(self, rows=rows[ids if isinstance(ids, slice) else ids.cpu()])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and the numbers in the first of them, after which parts of an inference are sized."""
        return len(self), sum(leaf.numel() for leaf in _leaves(self._taken()[:1]) if isinstance(leaf, Tensor))

    @classmethod
    def cat(cls, parts: Sequence[Items]) -> Items:
        """The rows of all parts, one after the other.

        Args:
            parts: Of the same function and device.
        """
        return replace(parts[0], items=[item for part in parts for item in part._taken()], rows=None)

    def to(self, device: torch.device | str) -> Items:
        """The same, with batches on another device."""
        return replace(self, device=device)

    def collated(self) -> Any:
        """What the encoder takes."""
        return on_device(self.collate(self._taken()), self.device)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the items."""
        digest = hashlib.sha256()
        for leaf in _leaves(self._taken()):
            if isinstance(leaf, Tensor):
                digest.update(f"{leaf.dtype}{list(leaf.shape)}".encode())
                digest.update(leaf.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
            else:
                digest.update(repr(leaf).encode())
        return digest.hexdigest()

    def _taken(self) -> list[Any]:
        return list(self.items) if self.rows is None else [self.items[row] for row in self.rows.tolist()]


def on_device(batch: Any, device: torch.device | str) -> Any:
    """A batch of any structure on a device; what knows no device stays as it is."""
    if isinstance(batch, Mapping):
        return {name: on_device(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(on_device(value, device) for value in batch)
    return batch.to(device) if hasattr(batch, "to") else batch


def opened(inputs: Any) -> Any:
    """Inputs as the encoder takes them."""
    if isinstance(inputs, Mapping):
        return {name: opened(leaf) for name, leaf in inputs.items()}
    return inputs.collated() if isinstance(inputs, Items) else inputs


def _leaves(value: Any) -> Iterator[Any]:
    """Everything inside an item: tensors, and values that are no containers."""
    if isinstance(value, Mapping):
        for name in value:
            yield name
            yield from _leaves(value[name])
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        yield torch.as_tensor(np.ascontiguousarray(value))
    elif not isinstance(value, Tensor) and hasattr(value, "__dict__"):
        yield from _leaves(vars(value))
    else:
        yield value
