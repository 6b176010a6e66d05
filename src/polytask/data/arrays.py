"""A folder of arrays: inputs of any shape with targets of any kind, mapped from disk instead of read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import UserError, used_up
from ..files import read_json, sha256, write_json
from ..task import Task
from .rows import Rows
from .splits import PARTS

#: States what is in the folder; written last, so that a folder with it is whole.
MANIFEST = "arrays.json"
INPUTS, TARGETS, WIDE = "inputs.npy", "targets.npy", "targets-{}.npy"


class ArrayWriter:
    """Writes a folder of arrays row by row, the parts one after the other.

    Args:
        folder: Where it goes.
        tasks: The tasks.
        parts: Number of rows of ``train``, ``validation`` and ``test``.
        shape: Shape of one row's input.
        dtype: Type of the inputs.
        lengths: Targets per row of tasks that have several.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> writer = ArrayWriter(folder, [Task("cat")], {"train": 1, "validation": 1, "test": 1}, (3, 8, 8))
        >>> for row in range(3):
        ...     writer.put(row, np.zeros((3, 8, 8), np.uint8), {"cat": 1.0})
        >>> writer.close()
        >>> tasks, rows = read_arrays(folder)
        >>> rows["train"].inputs.shape, rows["train"].targets.tolist()
        (torch.Size([1, 3, 8, 8]), [[1.0]])
    """

    def __init__(
        self,
        folder: Path,
        tasks: Sequence[Task],
        parts: Mapping[str, int],
        shape: Sequence[int],
        dtype: Any = np.uint8,
        lengths: Mapping[str, int] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        self.folder, self.tasks, self.parts = folder, list(tasks), dict(parts)
        rows = sum(self.parts.values())
        self._inputs = _created(folder / INPUTS, (rows, *shape), dtype)
        self._targets = _created(folder / TARGETS, (rows, len(self.tasks)), np.float32)
        self._targets[:] = np.nan
        self._wide = {
            name: _created(folder / WIDE.format(self._place(name)), (rows, length), np.float32)
            for name, length in (lengths or {}).items()
        }

    def put(self, row: int, inputs: np.ndarray, targets: Mapping[str, Any]) -> None:
        """One row; NaN and a task that is left out have no label. Numbers are trained as they are."""
        self._inputs[row] = inputs
        for wide in self._wide.values():
            wide[row] = np.nan
        for name, value in targets.items():
            if name in self._wide:
                self._wide[name][row] = np.asarray(value, np.float32).ravel()
                value = np.nan if np.isnan(self._wide[name][row]).all() else 0.0
            self._targets[row, self._place(name)] = value

    def close(self) -> None:
        """Write the file that marks the folder as complete."""
        for array in (self._inputs, self._targets, *self._wide.values()):
            array.flush()
        content = {path.name: sha256(path) for path in sorted(self.folder.glob("*.npy"))}
        tasks = [asdict(task) for task in self.tasks]
        write_json(self.folder / MANIFEST, {"format": 1, "tasks": tasks, "parts": self.parts, "sha256": content})

    def _place(self, name: str) -> int:
        return [task.name for task in self.tasks].index(name)


def is_arrays(path: str | Path) -> bool:
    """Whether a folder of arrays is there."""
    return (Path(path) / MANIFEST).is_file()


def read_arrays(folder: Path) -> tuple[list[Task], dict[str, Rows]]:
    """The tasks, and rows by part; arrays are mapped, so that only what is used is read.

    Raises:
        UserError: If the folder is damaged.
    """
    try:
        stored = read_json(folder / MANIFEST)
        tasks = [Task(**task) for task in stored["tasks"]]
        inputs, targets = (_mapped(folder / name) for name in (INPUTS, TARGETS))
        wide = {place: _mapped(path) for place in range(len(tasks)) if (path := folder / WIDE.format(place)).exists()}
        sizes = [int(stored["parts"][part]) for part in PARTS]
    except (KeyError, TypeError, ValueError, OSError) as error:
        if used_up(error):
            raise
        raise UserError(f"{folder}: damaged folder of arrays ({error}); remove it and make it again") from None
    rows, start = {}, 0
    for part, size in zip(PARTS, sizes, strict=True):
        own = slice(start, start + size)
        found = Rows.from_matrix(inputs[own], targets[own])
        rows[part] = replace(found, wide={place: values[own] for place, values in wide.items()})
        start += size
    return tasks, rows


def _created(path: Path, shape: Sequence[int], dtype: Any) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))


def _mapped(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.load(path, mmap_mode="c"))  # changes, of which there are none, would stay in memory
