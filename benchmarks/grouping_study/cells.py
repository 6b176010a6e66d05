"""Trained networks, each trained once: all grouping strategies share them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import polytask as pt
from polytask.grouping.affinity_matrix import Affinity
from polytask.models.take_over import take_over
from polytask.task import Task
from polytask.training.callbacks import AffinityProbe, affinity_from_state
from polytask.training.evaluation import estimates_of, task_outputs, trivial_levels

from .predicted import all_networks
from .sets import Data, Set

HIDDEN = (64,)
Cell = dict[str, Any]


class Cells:
    """The trainings of one set, read from a JSONL file and added to it.

    Args:
        one: the set.
        data: folder of the data.
        out: the file; several processes may append to it.
        train: whether missing trainings are done; a table only reads.
    """

    def __init__(self, one: Set, data: Path, out: Path, *, train: bool = True) -> None:
        self.one, self.out, self.train = one, out, train
        self.data = lru_cache(maxsize=1)(lambda seed: one.load(data, seed))
        self.for_all = lru_cache(maxsize=1)(self._for_all)
        self.found: dict[tuple[str, str, int], Cell] = {}
        for line in out.read_text(encoding="utf-8").splitlines() if out.exists() else []:
            cell = json.loads(line)
            if cell["set"] == one.name:
                self.found[cell["subset"], cell["probe"], cell["seed"]] = cell

    def get(self, tasks: tuple[str, ...], seed: int, probe: str = "") -> Cell:
        """The training of a network for ``tasks``: with an affinity estimator, as ``wide3``, ``seeds3`` or ``warm8``
        (an eighth of the steps), or plain.

        Raises:
            LookupError: If it is missing and is not to be done.
        """
        key = ("+".join(tasks), probe, seed)
        if key not in self.found:
            if not self.train:
                raise LookupError(key)
            self.found[key] = cell = self.trained(tasks, seed, probe)
            with self.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(cell) + "\n")
        return self.found[key]

    def complete(self, seed: int) -> None:
        """Train the networks of all groups of tasks, and for all together what measures affinity."""
        names = self.names()
        for tasks in reversed(all_networks(names)):
            self.get(tasks, seed)
        for probe in PROBES:
            self.get(names, seed, probe)

    def names(self) -> tuple[str, ...]:
        """The set's tasks."""
        return tuple(task.name for task in self.data(0).tasks)

    def trained(self, tasks: tuple[str, ...], seed: int, probe: str = "") -> Cell:
        """A training of a network for ``tasks``, done now whether it is in the file or not."""
        data: Data = self.data(seed)
        positions = [place for place, task in enumerate(data.tasks) if task.name in tasks]
        chosen = [data.tasks[place] for place in positions]
        rows = {part: _labelled(part_rows, positions) for part, part_rows in data.rows.items()}
        callbacks = [AffinityProbe(**PROBES[probe])] if probe in PROBES else []
        wide, seeds, part = (_number(probe, word) for word in (WIDE, SEEDS, WARM))
        started, members = time.perf_counter(), []
        for member in range(seeds):
            own = seed + ANOTHER * member
            torch.manual_seed(own)
            model = _network(data.width, chosen, wide)
            if part > 1:
                take_over(model, self.for_all(seed))
            result = pt.fit(
                model,
                train=rows["train"],
                validation=rows["validation"],
                settings=self.one.settings(part),
                callbacks=callbacks,
                seed=own,
            )
            members.append(result.model)
        seconds = time.perf_counter() - started
        cell: Cell = {"set": self.one.name, "subset": "+".join(tasks), "probe": probe, "seed": seed}
        cell |= {"seconds": round(seconds, 3), "steps": result.steps}
        for split in ("validation", "test"):
            cell[split] = _skills(chosen, _metrics(members, rows[split]), trivial_levels(chosen, rows[split]))
        if callbacks:
            affinity = affinity_from_state(result.callbacks[AffinityProbe.name], list(tasks))
            cell["affinity"] = affinity.matrix.tolist()
        return cell

    def _for_all(self, seed: int) -> pt.MultiTaskModel:
        """The network for all tasks of a seed."""
        data: Data = self.data(seed)
        torch.manual_seed(seed)
        rows, model = data.rows, _network(data.width, data.tasks)
        return pt.fit(
            model, train=rows["train"], validation=rows["validation"], settings=self.one.settings(), seed=seed
        ).model


def _network(width: int, tasks: Sequence[Task], wide: int = 1) -> pt.MultiTaskModel:
    encoder = pt.TableEncoder(numeric=width, hidden=tuple(units * wide for units in HIDDEN), dropout=0.1)
    return pt.MultiTaskModel(encoder, tasks)


def _number(probe: str, word: str) -> int:
    """What stands after a word, 1 if that is not the word."""
    return int(probe.removeprefix(word)) if probe.startswith(word) else 1


def _metrics(members: list[pt.MultiTaskModel], rows: pt.Rows) -> dict[str, float]:
    """Metrics of the mean of several networks' outputs."""
    tasks = members[0].tasks
    outputs = [task_outputs(model, rows, range(len(tasks))) for model in members]
    means = [sum(found) / len(members) for found in zip(*outputs, strict=True)]
    return {name: found.value for name, found in estimates_of(tasks, means, rows).items()}


#: In place of several networks: one for all tasks with as many times the units, or the mean of as many networks for all
#: tasks from other weights and rows.
WIDE, SEEDS = "wide", "seeds"
ANOTHER = 1_000
#: Networks that go on from the network for all, for a part of its steps.
WARM = "warm"
#: Ways to measure affinity in a joint training.
PROBES: dict[str, dict[str, Any]] = {
    "tag": {"estimator": "lookahead", "every": 10},
    "default": {},
    "cosine": {"estimator": "cosine", "every": 10},
}


def affinity_of(cell: Cell) -> Affinity:
    """The matrix that a cell holds."""
    return Affinity(tuple(cell["subset"].split("+")), cell["affinity"])


def _labelled(rows: pt.Rows, positions: list[int]) -> pt.Rows:
    chosen = rows.only_tasks(positions)
    return chosen if chosen.observed is None else chosen.subset(chosen.observed.any(1).nonzero()[:, 0])


def _skills(tasks: list[Task], values: dict[str, float], trivial: dict[str, float]) -> dict[str, float]:
    return {task.name: task.metric_definition.skill(values[task.name], trivial[task.name]) for task in tasks}
