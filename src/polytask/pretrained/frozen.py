"""The features of a frozen body: computed once, standardised by the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .body import ROWS_AT_ONCE, Body


@dataclass(frozen=True)
class Moments:
    """Mean and spread of features.

    Attributes:
        center: ``[D]``.
        scale: ``[D]``.
    """

    center: Tensor
    scale: Tensor

    @classmethod
    def of(cls, vectors: Tensor) -> Moments:
        """Of ``[n, D]`` or ``[n, 1 + L, D]``; of the latter positions of nothing but 0 are padding and do not count.

        Example:
            >>> Moments.of(torch.tensor([[1.0, 5.0], [3.0, 5.0]])).center
            tensor([2., 5.])
        """
        flat = vectors.flatten(0, -2)
        if vectors.ndim == 3:
            flat = flat[(flat != 0).any(1)]
        return cls(flat.mean(0), flat.std(0, correction=0).clamp_min(1e-6))

    def standardise(self, vectors: Tensor) -> Tensor:
        """In place: of the size of the features there is room for one."""
        return vectors.sub_(self.center).div_(self.scale)


def frozen_features(body: Body, inputs: Any, device: torch.device | str = "cpu") -> Tensor:
    """``[n, D]`` or ``[n, 1 + L, D]`` float32 for all rows; short texts with short ones, so that little is padding.

    Args:
        body: The network; in evaluation mode afterwards.
        inputs: Tensors by name, or one.
        device: Where it computes.
    """
    body.eval().to(device)
    tensors = inputs if isinstance(inputs, dict) else {"": inputs}
    n = len(next(iter(tensors.values())))
    order = (tensors["tokens"] >= 0).sum(1).argsort(stable=True) if "tokens" in tensors else torch.arange(n)
    found: Tensor | None = None
    with torch.no_grad():
        for rows in order.split(ROWS_AT_ONCE):
            taken = {name: values[rows].to(device) for name, values in tensors.items()}
            part = body(taken if isinstance(inputs, dict) else taken[""]).float().cpu()
            if found is None:
                found = torch.empty(n, *part.shape[1:])
            found[rows] = part
    assert found is not None, "a table without rows has been refused"
    return found
