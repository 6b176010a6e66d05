"""The weights of one step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


class TaskWeights(Tensor):
    """``[K]`` weights, which also answer to the names of the tasks; whatever is computed from them is a plain tensor.

    Example:
        >>> weights = TaskWeights.of(torch.tensor([0.5, 2.0]), ["click", "price"])
        >>> weights["price"], weights.tolist()
        (2.0, [0.5, 2.0])
        >>> dict(weights)
        {'click': 0.5, 'price': 2.0}
        >>> weights
        {'click': 0.5, 'price': 2.0}
        >>> weights / weights.sum()
        tensor([0.2000, 0.8000])
    """

    tasks: tuple[str, ...]
    #: Operations give plain tensors.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def of(cls, weights: Tensor, tasks: Sequence[str]) -> TaskWeights:
        """Name the elements of ``weights``."""
        named = (weights.detach() if weights.requires_grad else weights).as_subclass(cls)
        named.tasks = tuple(tasks)
        return named

    def keys(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self.tasks

    def items(self) -> Iterator[tuple[str, float]]:
        """Names and weights."""
        return zip(self.tasks, self.tolist(), strict=True)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return dict(self.items())[key]
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return key in self.tasks if isinstance(key, str) else super().__contains__(key)

    def __deepcopy__(self, memo: Any) -> TaskWeights:
        return TaskWeights.of(self.as_subclass(Tensor).clone(), self.tasks)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.as_subclass(Tensor).__reduce_ex__(protocol)  # files hold a plain tensor

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return repr({task: round(weight, 4) for task, weight in self.items()})
