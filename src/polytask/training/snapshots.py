"""Parameters of earlier evaluations, kept while somebody needs them."""

from __future__ import annotations

import copy
import math
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from ..processes.collectives import is_first, rank, wait_for_all, world_size
from .background import Background
from .trees import TreeCopy, load_tree


class Snapshots:
    """Whole-model snapshots by step, in memory or as files.

    Training only copies the model; another thread writes the file. Several processes wait for it, as each may read it.

    Args:
        folder: Where the files go, written by the first of several processes; None keeps snapshots in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._memory: dict[int, dict[str, Tensor]] = {}
        self._writing = Background()
        self._newest: int | None = None

    def save(self, step: int, model: nn.Module) -> None:
        """Keep the model as it is now, once per step.

        Raises:
            OSError: If the one before could not be written.
        """
        if self.folder is None:
            if step not in self._memory:
                self._memory[step] = copy.deepcopy(dict(model.state_dict()))  # extra state may be anything
            return
        state = dict(model.state_dict())  # of a sharded network all have to ask for it
        if is_first() and step != self._newest and not self._path(step).exists():
            self._writing.wait()  # so that there are never two copies
            self._writing.start(partial(TreeCopy(state).save, self._path(step)))
            self._newest = step
        if world_size() > 1:
            self._writing.wait()
            wait_for_all()

    @property
    def pending(self) -> Future[None] | None:
        """The work of writing the newest file; before it is done nothing on the disk may refer to the snapshot."""
        return self._writing.work

    def check(self) -> None:
        """Raise what went wrong while writing, if it is known by now."""
        self._writing.check()

    def wait(self) -> None:
        """Return when all is on the disk.

        Raises:
            OSError: If it could not be written.
        """
        self._writing.wait()

    def put(self, step: int, state: dict[str, Tensor]) -> None:
        """Keep a state dictionary in memory as that of a step."""
        self._memory[step] = state

    def load(self, step: int) -> dict[str, Tensor]:
        """The state dictionary saved at a step."""
        if self.folder is None:
            return self._memory[step]
        self.wait()
        return load_tree(self._path(step))

    def keep_only(self, steps: set[int], until: float = math.inf) -> None:
        """Drop all others up to the step ``until``."""
        if until == math.inf:
            self.wait()  # otherwise a newer one may be in the making
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
