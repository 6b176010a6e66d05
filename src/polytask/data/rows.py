"""Labelled rows held in memory; a batch is a slice of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import UserError, raise_all
from ..task import Task
from ..task.kind import WideKind
from .sparse import SparseRows
from .stored import FileInput, StoredInput, pick, together

#: A tensor, :class:`SparseRows`, :class:`FileInput`, or a dictionary or tuple of these, row by row.
Inputs = Any


#: About this many numbers of the inputs are inferred at a time.
NUMBERS_AT_ONCE = 1 << 22


def _keep(leaf: Any, ids: Tensor) -> Any:
    """Some rows to hold on to: what is in a file stays there."""
    return leaf.only(ids) if isinstance(leaf, FileInput) else pick(leaf, ids)


def map_inputs(inputs: Inputs, function: Any) -> Inputs:
    """Apply ``function`` to every tensor-like leaf of ``inputs``."""
    if isinstance(inputs, Mapping):
        return {name: map_inputs(value, function) for name, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(map_inputs(value, function) for value in inputs)
    return function(inputs)


def rows_at_once(inputs: Inputs, most: int = 1024) -> int:
    """How many rows to infer at a time: fewer if they are large, as images are.

    Example:
        >>> rows_at_once(torch.zeros(9, 100)), rows_at_once(torch.zeros(9, 3, 64, 64))
        (1024, 341)
    """
    sizes = [1]
    map_inputs(inputs, lambda leaf: sizes.append(math.prod(leaf.shape[1:]) if hasattr(leaf, "shape") else 0))
    return max(1, min(most, NUMBERS_AT_ONCE // sum(sizes)))


def count_rows(inputs: Inputs) -> int:
    """Number of rows of ``inputs``.

    Raises:
        UserError: If two parts of the inputs have different numbers of rows.
    """
    counts: list[int] = []
    map_inputs(inputs, lambda leaf: counts.append(len(leaf)))
    if len(set(counts)) != 1:
        raise UserError(f"inputs: every part needs the same number of rows, found {sorted(set(counts))}")
    return counts[0]


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of several parts, one after the other, held in memory.

    Args:
        parts: Of the same inputs and tasks.
    """

    def cat(leaves: Sequence[Any]) -> Any:
        first = leaves[0]
        if isinstance(first, Mapping):
            return {name: cat([leaf[name] for leaf in leaves]) for name in first}
        return together(leaves)

    def optional(values: Sequence[Tensor | None], default: Callable[[Rows], Tensor]) -> Tensor | None:
        if all(value is None for value in values):
            return None
        return torch.cat([default(rows) if value is None else value for rows, value in zip(parts, values, strict=True)])

    return Rows(
        cat([rows.inputs for rows in parts]),
        torch.cat([rows.targets for rows in parts]),
        optional([rows.observed for rows in parts], lambda rows: torch.ones_like(rows.targets, dtype=torch.bool)),
        optional([rows.source for rows in parts], lambda rows: torch.zeros(len(rows), dtype=torch.long)),
        {place: torch.cat([rows.wide[place] for rows in parts]) for place in parts[0].wide},
        optional([rows.weights for rows in parts], lambda rows: torch.ones(len(rows), 1)),
        optional([rows.groups for rows in parts], lambda rows: torch.arange(len(rows))),
    )


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        inputs: What the encoder takes.
        targets: ``[B, K]`` float, class indices or standardised numbers, 0 where not observed.
        observed: ``[B, K]`` bool, or None if every label of the source is observed.
        ids: ``[B]`` int64, the rows' positions in their source, under which soft labels are found.
        wide: ``[B, L]`` targets with NaN of the tasks that have several per row, by their positions; their column of
            ``targets`` is 0, that of ``observed`` states whether there is any.
        weights: ``[B, 1]`` or ``[B, K]``, at least 0: how much each sample counts in a task's mean loss; None for 1.
    """

    inputs: Inputs
    targets: Tensor
    observed: Tensor | None
    ids: Tensor
    wide: Mapping[int, Tensor] = field(default_factory=dict)
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Rows:
    """Labelled rows in memory.

    Attributes: as in :class:`Batch`, for all rows; ``ids`` are 0..n-1 by construction.
        source: ``[n]`` int64, number of the data set that each row comes from; None for a single one.
        groups: ``[n]`` int64, equal for rows that are in one group, in all parts of a split alike; None if none do.
    """

    inputs: Inputs
    targets: Tensor
    observed: Tensor | None
    source: Tensor | None = None
    wide: Mapping[int, Tensor] = field(default_factory=dict)
    weights: Tensor | None = None
    groups: Tensor | None = None

    @classmethod
    def from_labels(cls, inputs: Inputs, labels: Mapping[str, Tensor], tasks: Sequence[Task]) -> Rows:
        """Rows from one label tensor per task.

        Args:
            inputs: What the encoder takes; the first dimension of every tensor is the row.
            labels: ``{task: [n]}``: class indices, or numbers in their own units. NaN means
                "no label", so does -100 for classes, and a task that is left out. Tasks with several targets per row
                have ``[n, L]`` of them, padded with NaN (-100 for tags).
            tasks: The tasks, in the order of the columns.

        Raises:
            UserError: If a label has the wrong shape, is infinite, or is no class of its task.

        Example:
            >>> rows = Rows.from_labels(torch.zeros(3, 2), {"a": torch.tensor([0., 1., float("nan")])}, [Task("a")])
            >>> rows.observed.sum()
            tensor(2)
        """
        n = count_rows(inputs)
        unknown = sorted(set(labels) - {task.name for task in tasks})
        raise_all([f"labels: {name!r} is not one of the tasks" for name in unknown])
        wide = {
            position: _wide_labels(task, labels[task.name], n)
            for position, task in enumerate(tasks)
            if task.definition.wide and task.name in labels
        }
        columns = [
            torch.where(torch.isnan(wide[position]).all(1), torch.nan, 0.0)
            if position in wide
            else _label_column(task, labels.get(task.name), n)
            for position, task in enumerate(tasks)
        ]
        return replace(cls.from_matrix(inputs, torch.stack(columns, 1)), wide=wide)

    @classmethod
    def from_matrix(cls, inputs: Inputs, targets: Tensor) -> Rows:
        """Rows from a ``[n, K]`` matrix as in :class:`Batch`, but with NaN where there is no label."""
        if bool(torch.isinf(targets).any()):
            raise UserError("targets: found infinite values; remove them or mark them as NaN")
        observed = ~torch.isnan(targets)
        return cls(inputs, torch.nan_to_num(targets, nan=0.0).float(), None if bool(observed.all()) else observed)

    def with_weights(self, weights: Tensor) -> Rows:
        """The same rows with weights in the mean training losses; metrics are not weighted.

        Args:
            weights: ``[n]`` for all tasks or ``[n, K]``, at least 0. Their scale does not matter: the mean loss of a
                task is ``sum_i w_i L_i / sum_i w_i`` over its labelled samples. A task with nothing but weights of 0 in
                a batch is absent.

        Raises:
            UserError: If the shape is another, or a weight is negative or not finite.

        Example:
            >>> Rows(torch.zeros(2, 3), torch.zeros(2, 1), None).with_weights(torch.tensor([1., .5])).weights
            tensor([[1.0000],
                    [0.5000]])
        """
        weights = torch.as_tensor(weights, dtype=torch.float32)
        weights = weights[:, None] if weights.ndim == 1 else weights
        if weights.ndim != 2 or len(weights) != len(self) or weights.shape[1] not in (1, self.targets.shape[1]):
            n, tasks = self.targets.shape
            raise UserError(f"weights: expected shape [{n}] or [{n}, {tasks}], found {list(weights.shape)}")
        if not bool(((weights >= 0) & torch.isfinite(weights)).all()):
            raise UserError("weights: expected finite numbers of at least 0")
        return replace(self, weights=weights)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, ids: Tensor) -> Batch:
        return self._pick(ids, pick)

    def _pick(self, ids: Tensor, of_inputs: Callable[[Any, Tensor], Any]) -> Batch:
        return Batch(
            map_inputs(self.inputs, lambda leaf: of_inputs(leaf, ids)),
            pick(self.targets, ids),
            None if self.observed is None else pick(self.observed, ids),
            ids,
            {position: pick(targets, ids) for position, targets in self.wide.items()},
            None if self.weights is None else pick(self.weights, ids),
        )

    def subset(self, ids: Tensor) -> Rows:
        """Some of the rows as a separate source (with new ids)."""
        batch = self._pick(ids, _keep)
        observed = batch.observed
        if observed is not None and bool(observed.all()):
            observed = None
        source, groups = (None if one is None else one[ids.to(one.device)] for one in (self.source, self.groups))
        return Rows(batch.inputs, batch.targets, observed, source, batch.wide, batch.weights, groups)

    def units(self, ids: Tensor) -> Tensor:
        """The unit of each of some rows in standard errors: rows of one group are one unit, others one each."""
        return ids if self.groups is None else self.groups.to(ids.device)[ids]

    @property
    def stored(self) -> StoredInput | None:
        """An input that is in a file, if there is one: rows are then best drawn in its order."""
        found: list[StoredInput] = []
        map_inputs(self.inputs, lambda leaf: found.append(leaf) if isinstance(leaf, StoredInput) else None)
        return found[0] if found else None

    def label_counts(self) -> Tensor:
        """``[K]`` number of observed labels per task."""
        if self.observed is None:
            return torch.full((self.targets.shape[1],), len(self))
        parts = self.observed.split(1 << 20)  # `sum` makes eight bytes of each
        return torch.stack([part.sum(0) for part in parts]).sum(0)

    def only_tasks(self, columns: Sequence[int]) -> Rows:
        """The same rows with some of the tasks' columns; nothing is copied if these are all."""
        if list(columns) == list(range(self.targets.shape[1])):
            return self
        take = torch.as_tensor(list(columns), dtype=torch.long)
        observed = None if self.observed is None else self.observed[:, take]
        if observed is not None and bool(observed.all()):
            observed = None
        wide = {new: self.wide[old] for new, old in enumerate(columns) if old in self.wide}
        weights = self.weights if self.weights is None or self.weights.shape[1] == 1 else self.weights[:, take]
        return Rows(self.inputs, self.targets[:, take], observed, self.source, wide, weights, self.groups)

    def to(self, device: torch.device | str) -> Rows:
        observed = None if self.observed is None else self.observed.to(device)
        inputs = map_inputs(self.inputs, lambda leaf: leaf.to(device))
        wide = {position: targets.to(device) for position, targets in self.wide.items()}
        weights = None if self.weights is None else self.weights.to(device)
        return Rows(inputs, self.targets.to(device), observed, self.source, wide, weights, self.groups)


def _wide_labels(task: Task, label: Tensor, n: int) -> Tensor:
    """``[n, L]`` float32 targets of a task with several per row."""
    label = torch.as_tensor(label)
    kind = task.definition
    assert isinstance(kind, WideKind)
    length = kind.length(len(task.classes))
    if label.ndim != 2 or len(label) != n or label.shape[1] != (length or label.shape[1]):
        raise UserError(f"labels of task {task.name!r}: expected shape [{n}, {length or 'L'}], "
                        f"found {list(label.shape)}")  # fmt: skip
    one = Task(task.name, kind=kind.of_one, classes=task.classes if kind.vector_output else ())
    return _label_column(one, label.flatten(), label.numel()).view(label.shape)


def _label_column(task: Task, label: Tensor | None, n: int) -> Tensor:
    if label is None:
        return torch.full((n,), float("nan"))
    label = torch.as_tensor(label)
    if label.shape != (n,):
        raise UserError(f"labels of task {task.name!r}: expected shape [{n}], found {list(label.shape)}")
    if bool(torch.isinf(label).any()):
        raise UserError(f"labels of task {task.name!r}: found infinite values; remove them or mark them as NaN")
    if problem := task.definition.problem_with(label.double().cpu().numpy()):
        raise UserError(f"labels of task {task.name!r}: {problem}")
    values = task.standardised(label.double())
    known = values[~torch.isnan(values)]
    if task.definition.numeric:
        return values
    if bool(((known < 0) | (known >= len(task.classes)) | (known != known.round())).any()):
        raise UserError(
            f"labels of task {task.name!r}: expected class indices 0 to {len(task.classes) - 1}, "
            f"found {float(known.min()):g} to {float(known.max()):g}"
        )
    return values


__all__ = ["Batch", "Inputs", "Rows", "SparseRows", "count_rows", "map_inputs", "rows_at_once"]
