"""The run folder as plain data: whatever of it is there so far."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..config import flat
from ..config.file import read_yaml
from ..errors import UserError
from ..grouping import Affinity, Windows
from .events import Log, TrainingRecord, read_log
from .layout import Layout
from .values import number, read_object

MARKS_OF_A_RUN = ("config.yaml", "results.json", "metrics.jsonl")


@dataclass(frozen=True)
class TaskMatrix:
    """A number for every pair of tasks, None where undefined.

    Of affinities ``values[i][j]`` is the effect of an update on task i on the loss of task j; positive helps.
    """

    tasks: list[str]
    values: list[list[float | None]]
    windows: Windows | None = None

    def only(self, tasks: Sequence[str]) -> TaskMatrix:
        """Between some of the tasks, without its history."""
        places = {task: place for place, task in enumerate(self.tasks)}
        known = [task for task in tasks if task in places]
        values = [[self.values[places[a]][places[b]] for b in known] for a in known]
        return TaskMatrix(known, values)


@dataclass(frozen=True)
class Run:
    """A run folder. ``results`` is empty while the run is not finished."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    affinity: TaskMatrix | None = None
    selection: dict[str, Any] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    plots: dict[str, Any] = field(default_factory=dict)

    def only(self, tasks: Sequence[str]) -> Run:
        """The same for some of the tasks of a finished run, as far as every task is drawn on its own."""
        results = self.results | {"tasks": {task: self.results["tasks"][task] for task in tasks}}
        affinity = None if self.affinity is None else self.affinity.only(tasks)
        return replace(self, results=results, affinity=affinity)

    @property
    def finished(self) -> bool:
        """Are there final results?"""
        return bool(self.results)

    @property
    def tasks(self) -> list[str]:
        """All tasks, in the order of the results, or of the configuration while there are none."""
        if self.results:
            return list(self.results["tasks"])
        targets = self.config.get("targets")
        if isinstance(targets, str):
            targets = [name.strip() for name in targets.split(",")]
        seen = [task for training in self.log.trainings.values() for task in training.tasks]
        return list(dict.fromkeys([str(name) for name in targets or []] or seen))

    @property
    def totals(self) -> dict[str, Any]:
        """What is true of the whole run."""
        return self.results.get("totals") or {}

    @property
    def folds(self) -> int | None:
        """Number of folds that test metrics are of; None where they are of a test split."""
        return self.totals.get("folds")

    @property
    def trivial(self) -> dict[str, float | None]:
        """By task the test metric of a constant prediction."""
        return {task: number(level) for task, level in (self.totals.get("trivial") or {}).items()}

    @property
    def before(self) -> dict[str, Any]:
        """What the tasks of an earlier run were before others were added; empty without ``--from``."""
        found = (self.results.get("baselines") or {}).get("before")
        return {task: entry for task, entry in (found or {}).items() if isinstance(entry, dict)}

    @property
    def held(self) -> set[str]:
        """Tasks that learned nothing new: held by what they predicted before."""
        return {task for task, entry in self.before.items() if entry.get("held")}

    @property
    def data(self) -> str:
        """Name of the data file, or of several."""
        data = self.config.get("data")
        names = [Path(data).name] if isinstance(data, str) else _file_names(data)
        return ", ".join(dict.fromkeys(names))

    @property
    def date(self) -> str:
        """When the run started: the log states so, or else the age of the oldest file."""
        started = self.log.started
        if started is None:
            paths = [self.folder / name for name in MARKS_OF_A_RUN]
            started = min(path.stat().st_mtime for path in paths if path.is_file())
        moment = datetime.datetime.fromtimestamp(started, datetime.UTC)
        return f"{moment.day} {moment:%B %Y, %H:%M} UTC"

    def networks_of(self, task: str) -> list[int]:
        """Numbers of the networks whose mean prediction ``task`` has: most often one, none while that is not known."""
        result = self.results.get("tasks", {}).get(task, {})
        found = result.get("networks") or [result.get("network", self.selection.get("serves", {}).get(task))]
        return [network for network in found if isinstance(network, int)]

    def training_of(self, task: str) -> TrainingRecord | None:
        """The training of the network that serves ``task``, of several the first."""
        trainings = self.log.trainings
        served = next(iter(self.networks_of(task)), None)
        names = self.totals.get("trainings") or []
        name = names[served] if isinstance(served, int) and served < len(names) else f"network_{served}"
        if str(name).startswith("single_task_"):  # numbered in the results, named in the log
            name = f"single_task.{task}"
        if found := trainings.get(name):
            return found
        chosen = [t for t in trainings.values() if t.name.startswith("network_") and task in t.tasks]
        return chosen[0] if chosen else trainings.get("all_in_one")


def read_run(folder: Path) -> Run:
    """Read a run folder; only files that a finished run may lack may be missing.

    Raises:
        UserError: If ``folder`` is not a run, or a file of it is damaged; every damaged file at once.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected the folder that `polytask fit --out` wrote")
    if not any((folder / name).is_file() for name in MARKS_OF_A_RUN):
        raise UserError(f"{folder}: not a run: none of {', '.join(MARKS_OF_A_RUN)} is there")
    run = Layout(folder)
    readers = {
        "config": (_read_config, run.config),
        "results": (_read_results, run.results),
        "affinity": (_read_affinity, run.affinity),
        "selection": (_read_selection, run.selection),
        "log": (read_log, run.metrics),
        "plots": (read_object, run.plots),
    }
    parts: dict[str, Any] = {}
    problems: list[str] = []
    for part, (read, path) in readers.items():
        if not path.is_file():
            continue
        try:
            parts[part] = read(path)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(*problems)
    return Run(folder, **parts)


def _read_config(path: Path) -> dict[str, Any]:
    return flat(read_yaml(path))


def _read_results(path: Path) -> dict[str, Any]:
    results = read_object(path)
    tasks = results.get("tasks")
    if not isinstance(tasks, dict) or not tasks or not all(isinstance(task, dict) for task in tasks.values()):
        raise UserError(f"{path}: 'tasks' should be an object with one object per task")
    return results


def _read_affinity(path: Path) -> TaskMatrix:
    found = Affinity.load(path)
    values = [[number(value) for value in row] for row in found.matrix.tolist()]
    return TaskMatrix(list(found.tasks), values, found.windows)


def _read_selection(path: Path) -> dict[str, Any]:
    selection = read_object(path)
    if not isinstance(selection.get("networks"), list) or not isinstance(selection.get("serves"), dict):
        raise UserError(f"{path}: should hold the list 'networks' and the object 'serves'")
    return selection


def _file_names(part: Any) -> list[str]:
    """The strings in a description of several sources that look like files."""
    if isinstance(part, str):
        return [Path(part).name] if Path(part).suffix else []
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    return [name for value in inner for name in _file_names(value)]
