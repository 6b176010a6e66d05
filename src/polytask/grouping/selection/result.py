"""The chosen networks and what they promise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...display.html import cell, table
from ...display.text import some_names
from ...errors import UserError, raise_all
from ...files import check_keys, read_json, write_json

TOLERANCE = 1e-9  # scores closer than this, relative to their size, count as equal
MADE_BY = "`polytask select --json`"


@dataclass(frozen=True)
class Selection:
    """The networks to train and the task that each one serves.

    Args:
        networks: the tasks of each network, in task order; the networks too are in task order. A task may be in
            several.
        serves: for every task the index of the network that gives it its best score.
        score: mean over the tasks of their scores, in the unit of the affinity (larger is better).
        bound: proven upper bound of the score of any choice with the same budget.
        optimal: whether ``score`` is proven to be the best.
        scores: for every task the mean affinity of the other tasks of its network onto it.
        complete: whether a search did all of its rounds or met its bound; false if a time limit ended it, so that
            another machine may find other networks.

    Example:
        >>> selection = Selection((("a", "b"),), {"a": 0, "b": 0}, 0.5, 0.5, True, {"a": 0.75, "b": 0.25})
        >>> Selection.from_json_dict(selection.to_json_dict()) == selection
        True
    """

    networks: tuple[tuple[str, ...], ...]
    serves: dict[str, int]
    score: float
    bound: float
    optimal: bool
    scores: dict[str, float]
    complete: bool = True

    def _repr_html_(self) -> str:
        """The networks with the tasks that they serve and those that only help."""
        rows = []
        for number, network in enumerate(self.networks):
            served = [task for task in network if self.serves[task] == number]
            helpers = [task for task in network if self.serves[task] != number]
            rows.append((str(number), [cell(some_names(served, 20)), cell(some_names(helpers, 20))]))
        sure = "proven best" if self.optimal else f"at most {self.bound:.4g} is possible"
        return table(["network", "serves", "helped by"], rows, f"score {self.score:.4g}, {sure}")

    def to_json_dict(self) -> dict[str, Any]:
        """The content of ``selection.json``."""
        return {
            "networks": [list(network) for network in self.networks],
            "serves": dict(self.serves),
            "score": self.score,
            "bound": self.bound,
            "optimal": self.optimal,
            "scores": dict(self.scores),
            "complete": self.complete,
        }

    @classmethod
    def from_json_dict(cls, content: Any, where: str = "selection.json") -> Selection:
        """The selection in ``content``; ``where`` names its origin in errors.

        Raises:
            UserError: a missing key, a value of the wrong kind, a task that no listed network holds.
        """
        raise_all(check_keys(content, ("networks", "serves", "score", "bound", "optimal", "scores"), where))
        try:
            networks = tuple(tuple(str(task) for task in network) for network in content["networks"])
            serves = {str(task): int(index) for task, index in content["serves"].items()}
            scores = {str(task): float(score) for task, score in content["scores"].items()}
            score, bound = float(content["score"]), float(content["bound"])
        except (TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{where}: a value is of the wrong kind ({error}); write it with {MADE_BY}") from None
        raise_all(
            [
                f"{where}: task {task!r} must be served by a network that contains it, found number {index} of "
                f"{len(networks)}; write the file with {MADE_BY}"
                for task, index in serves.items()
                if not (0 <= index < len(networks) and task in networks[index])
            ]
        )
        return cls(
            networks, serves, score, bound, bool(content["optimal"]), scores, bool(content.get("complete", True))
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``selection.json`` at once (never half a file)."""
        write_json(Path(path), self.to_json_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Selection:
        """Read a file written by :meth:`save`.

        Raises:
            UserError: the file is absent, not JSON, or not a selection.
        """
        return cls.from_json_dict(read_json(Path(path), MADE_BY), where=str(path))
