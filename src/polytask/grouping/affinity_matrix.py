"""The matrix of task affinities: which task helps which, and by how much."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..display.html import cell, table
from ..display.text import some_names
from ..errors import UserError, raise_all
from ..files import check_keys, read_json, write_json
from .windows import Windows

#: Tasks up to which the file holds everything that was measured of every pair.
MOST_DETAILED = 100
#: What ``meta`` may hold for every pair of tasks.
MATRICES = ("counts", "standard_error", "windows", "null")
MADE_BY = "`polytask affinity`"
#: Tasks up to which a notebook shows the matrix, and pairs that it shows otherwise, from either end.
MOST_SHOWN, PAIRS = 20, 10


@dataclass(frozen=True, eq=False)
class Affinity:
    """Effect of every task's update on every task's loss.

    Args:
        tasks: names of the K tasks.
        matrix: shape [K, K]; ``matrix[i][j]`` is the relative fall of the loss of task j after an update on
            task i alone, Z_{i->j} (positive: i helps j; no unit). The diagonal is never used to choose networks
            and may be NaN.
        meta: how it was measured; anything that JSON can hold. A measured affinity has

            - ``samples``: number of probes; ``counts`` [K, K]: of them, those in which both tasks were present;
            - ``standard_error`` [K, K]: of the mean over probes, null below two samples;
            - ``windows``: the history over training, see :attr:`windows`;
            - ``estimator``, ``every`` and whatever else the estimator was set to.

    Raises:
        UserError: no task, repeated names, a wrong shape, NaN or infinity off the diagonal.

    Source: C. Fifty et al., NeurIPS 2021, arXiv:2109.04617, equation 1.

    Example:
        >>> affinity = Affinity(("a", "b"), [[float("nan"), 0.25], [-0.5, float("nan")]])
        >>> affinity.to_json_dict()["affinity"]
        [[None, 0.25], [-0.5, None]]
        >>> float(affinity.gains[1, 0])  # task b is helped by an update on a
        0.25
    """

    tasks: tuple[str, ...]
    matrix: np.ndarray
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        matrix = _as_numbers(self.matrix, "affinity")
        object.__setattr__(self, "tasks", tuple(self.tasks))
        raise_all(_problems(self.tasks, matrix, "affinity"))
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @property
    def gains(self) -> np.ndarray:
        """Shape [K, K], seen from the task that is scored: ``gains[r][d]`` = effect of donor d on recipient r; zero
        diagonal."""
        gains = self.matrix.T.copy()
        np.fill_diagonal(gains, 0.0)
        return gains

    @property
    def windows(self) -> Windows | None:
        """The history over training: for every pair, the mean and number of samples in consecutive windows of steps.
        None if ``meta`` has none.

        The matrix is their mean, unless ``meta["time"]`` overrides it."""
        content = self.meta.get("windows")
        return None if content is None else Windows.from_json_dict(content, "affinity: meta: windows")

    def __repr__(self) -> str:
        samples = self.meta.get("samples")
        measured = "" if samples is None else f", {samples:,} probes"
        return f"Affinity({len(self.tasks)} tasks: {some_names(self.tasks, 6)}{measured})"

    def _repr_html_(self) -> str:
        """Which task helps which: the matrix of few tasks, of many the pairs that stand out."""
        if len(self.tasks) > MOST_SHOWN:
            return self._strongest()
        strength = np.abs(np.where(np.eye(len(self.tasks)) > 0, 0.0, self.matrix)).max(0).tolist()
        rows = [
            (task, [cell("") if i == j else _shaded(x, strength[j]) for j, x in enumerate(self.matrix[i].tolist())])
            for i, task in enumerate(self.tasks)
        ]
        caption = "Effect of an update on the task of the row on the loss of the task of the column; plus helps."
        return table(["", *self.tasks], rows, caption)

    def _strongest(self) -> str:
        """The pairs that help and hurt most, relative to the largest effect on the same task."""
        gains = np.where(np.eye(len(self.tasks)) > 0, 0.0, self.matrix)
        shares = gains / np.maximum(np.abs(gains).max(0), 1e-300)
        order = np.argsort(shares, axis=None, kind="stable")
        pairs = [divmod(int(place), len(self.tasks)) for place in (*order[: -PAIRS - 1 : -1], *order[:PAIRS][::-1])]
        rows = [(self.tasks[i], [cell(self.tasks[j]), cell(f"{self.matrix[i, j]:+.2g}")]) for i, j in pairs]
        return table(["an update on", "for", "effect"], rows, f"{len(self.tasks):,} tasks; the strongest pairs")

    def to_json_dict(self) -> dict[str, Any]:
        """The content of ``affinity.json``; an unknown value on the diagonal is written as null."""
        rows = [[None if np.isnan(x) else float(x) for x in row] for row in self.matrix]
        return {"tasks": list(self.tasks), "affinity": rows, "meta": self.meta}

    @classmethod
    def from_json_dict(cls, content: Any, where: str = "affinity.json") -> Affinity:
        """The matrix in ``content``; ``where`` names its origin in errors. ``meta`` may be absent.

        Raises:
            UserError: anything that is wrong with it, all at once.
        """
        raise_all(check_keys(content, ("tasks", "affinity"), where))
        tasks, meta = content["tasks"], content.get("meta") or {}
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise UserError(f"{where}: 'tasks' should be a list of names, found {tasks!r}")
        if not isinstance(meta, dict):
            raise UserError(f"{where}: 'meta' should be an object, found {type(meta).__name__}")
        matrix = _as_numbers(content["affinity"], f"{where}: 'affinity'")
        raise_all(_problems(tuple(tasks), matrix, where))
        return cls(tuple(tasks), matrix, meta)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``affinity.json`` at once (never half a file).

        Of more than 100 tasks the file holds three digits of the matrix, and of ``meta`` what is no matrix: 1,000 tasks
        are 10 MB, which would be 250 MB otherwise.
        """
        many = len(self.tasks) > MOST_DETAILED
        write_json(Path(path), self._short() if many else self.to_json_dict(), compact=many)

    def _short(self) -> dict[str, Any]:
        rows = [[None if x != x else float(f"{x:.3g}") for x in row] for row in self.matrix.tolist()]
        left_out = [key for key in MATRICES if key in self.meta]
        meta = {key: value for key, value in self.meta.items() if key not in left_out}
        return {"tasks": list(self.tasks), "affinity": rows, "meta": meta | {"digits": 3, "left_out": left_out}}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Affinity:
        """Read a file written by :meth:`save`.

        Raises:
            UserError: the file is absent, not JSON, or not an affinity.
        """
        return cls.from_json_dict(read_json(Path(path), MADE_BY), where=str(path))


def _as_numbers(rows: Any, where: str) -> np.ndarray:
    """``rows`` as a new float64 matrix; null stands for NaN."""
    if not isinstance(rows, (Sequence, np.ndarray)) or isinstance(rows, str) or not len(rows):
        raise UserError(f"{where}: expected a square matrix of numbers, a list of rows, found {rows!r}")
    if not all(isinstance(row, (Sequence, np.ndarray)) and not isinstance(row, str) for row in rows):
        raise UserError(f"{where}: expected a list of rows, each a list of numbers")
    lengths = {len(row) for row in rows}
    if lengths != {len(rows)}:
        shown = ", ".join(map(str, sorted(lengths)))
        raise UserError(
            f"{where}: expected a square matrix, one row and one column per task, "
            f"found {len(rows)} rows of length {shown}"
        )
    try:
        return np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(
            f"{where}: expected numbers only (null is allowed on the diagonal), found something else"
        ) from None


def _problems(tasks: tuple[str, ...], matrix: np.ndarray, where: str) -> list[str]:
    problems = []
    if len(tasks) != len(matrix):
        problems.append(
            f"{where}: {len(tasks)} task names for a matrix of {len(matrix)} rows; name every row once, in order"
        )
    repeated = sorted({task for task in tasks if tasks.count(task) > 1})
    if repeated:
        problems.append(f"{where}: task names must differ, found repeated: {', '.join(repeated)}; rename them")
    names = tasks if len(tasks) == len(matrix) else tuple(str(i) for i in range(len(matrix)))
    problems += [
        f"{where}: the effect of task {names[i]!r} on task {names[j]!r} (row {i}, column {j}) must be a finite "
        f"number, found {matrix[i, j]}; measure it again or leave one of the two tasks out"
        for i, j in np.argwhere(~np.isfinite(matrix))
        if i != j
    ]
    return problems


def _shaded(value: float, most: float) -> str:
    """A cell that is greener the more it helps, and browner the more it hurts, relative to the largest effect."""
    share = round(abs(value) / most, 2) if most else 0.0
    return cell(f"{value:+.2g}", f"background:rgba({'1,102,94' if value >= 0 else '140,81,10'},{0.6 * share:.2f})")
