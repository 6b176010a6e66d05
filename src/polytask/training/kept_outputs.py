"""Outputs of evaluations that may be asked for again, so that no network predicts the validation rows twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

#: Raw outputs on validation by the task's position and the step.
KnownOutputs = Mapping[tuple[int, int], Tensor]
#: Most memory for outputs; what is not kept is computed again.
MOST_BYTES = 1 << 26


class KeptOutputs:
    """The outputs of the evaluations that tasks need.

    Example:
        >>> import torch
        >>> kept = KeptOutputs()
        >>> kept.update(10, [torch.zeros(3), torch.ones(3)], {1: [10]})
        >>> kept.update(20, [torch.zeros(3), torch.ones(3)], {0: [20], 1: [10]})
        >>> sorted(kept.known)
        [(0, 20), (1, 10)]
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.known: dict[tuple[int, int], Tensor] = {}
        self._left = most_bytes

    def update(self, step: int, outputs: Sequence[Tensor], needed: Mapping[int, Sequence[int]]) -> None:
        """Keep those of an evaluation that are needed, and drop what is not needed any more.

        Args:
            step: Of the evaluation.
            outputs: ``[n]`` or ``[n, C]`` by the task's position.
            needed: Steps by the task's position.
        """
        for key in [key for key in self.known if key[1] not in needed.get(key[0], ())]:
            self._left += self.known.pop(key).nbytes
        for position in (position for position, steps in needed.items() if step in steps):
            if outputs[position].nbytes <= self._left:
                self._left -= outputs[position].nbytes
                self.known[position, step] = outputs[position]
