"""Parameters of earlier evaluations, kept while somebody needs them."""

from __future__ import annotations

import math
from pathlib import Path

from torch import Tensor, nn

from ..files import load_tree, save_tree
from ..processes import is_first, rank, wait_for_all


class Snapshots:
    """Whole-model snapshots by step, in memory or as files.

    Args:
        folder: Where the files go, written by the first of several processes; None keeps snapshots in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._memory: dict[int, dict[str, Tensor]] = {}

    def save(self, step: int, model: nn.Module) -> None:
        """Keep the model as it is now, once per step."""
        if self.folder is None:
            if step not in self._memory:
                self._memory[step] = {name: value.detach().clone() for name, value in model.state_dict().items()}
            return
        state = dict(model.state_dict())  # of a sharded network all have to ask for it
        if is_first() and not self._path(step).exists():
            save_tree(self._path(step), state)
        wait_for_all()

    def put(self, step: int, state: dict[str, Tensor]) -> None:
        """Keep a state dictionary in memory as that of a step."""
        self._memory[step] = state

    def load(self, step: int) -> dict[str, Tensor]:
        """The state dictionary saved at a step."""
        return self._memory[step] if self.folder is None else load_tree(self._path(step))

    def keep_only(self, steps: set[int], until: float = math.inf) -> None:
        """Drop all others up to the step ``until``."""
        for step in [step for step in self._memory if step not in steps and step <= until]:
            del self._memory[step]
        if self.folder is not None and is_first() and self.folder.exists():
            for path in self.folder.glob("[0-9]*.*"):
                step = int(path.name.split(".")[0])
                if step not in steps and step <= until:
                    path.unlink(missing_ok=True)

    def beside(self, step: int, name: str) -> Path | None:
        """A file of this process that is dropped with the snapshot of a step; None without a folder."""
        return None if self.folder is None else self.folder / f"{step}.{name}.{rank()}.bin"

    def _path(self, step: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{step}.safetensors"
