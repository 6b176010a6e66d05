"""One run of a comparison: from what it is to a record of its numbers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..config import make_config
from ..files import write_json
from ..records.folder import RunFolder
from ..runs import fit_run
from ..runs.trainer import make_balancer
from .cost import passes, peak_memory, reset_peak_memory
from .fingerprint import run_fingerprint

#: What is kept of a run's folder; networks are trained again by ``polytask fit`` with the run's ``config.yaml``.
KEPT = ("config.yaml", "metrics.jsonl", "results.json", "affinity.json", "selection.json")

#: What is kept of a task's entry in its results.
RECORDED = ("kind", "metric", "direction", "validation", "test", "kept", "blocks", "counted")


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the numbers of one run.

    Attributes:
        learner: ``network``, or ``trees``.
        config: The resolved configuration of ``fit``, as JSON.
        part: ``test``, or ``validation`` for a trial of a search: the test split is not read then.
        data: SHA-256 of the data.
        options: Options of the trees.
    """

    learner: str
    config: dict[str, Any]
    part: str
    data: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Name of the run in the cache."""
        return run_fingerprint(self.learner, self.config, self.options, self.part, self.data)


def execute(spec: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Do a run and say what came out; an interrupted one continues where it was.

    Args:
        spec: A :class:`RunSpec` as a dictionary, so that it can travel to any process.
        folder: The run's own folder.

    Returns:
        ``tasks``: per task kind, metric, direction, validation, test, trivial, kept, and for a trial ``blocks`` and
        ``counted`` of the metric's :class:`~polytask.uncertainty.Estimate`; ``cost``: seconds, steps,
        seconds_per_step, parameters, networks, forwards, backwards, peak_memory in bytes.
    """
    reset_peak_memory()
    started = time.monotonic()
    config = make_config(spec["config"])
    if spec["learner"] == "trees":
        from .trees import fit_trees

        record = fit_trees(config, spec["options"], spec["part"])
        write_json(folder / "results.json", record)
        seconds = time.monotonic() - started
    else:
        run = folder / "run"
        results = fit_run(config, run, resume=RunFolder.begun(run), final_part=spec["part"])
        record = _record(results, config.balance, len(config.targets), RunFolder.open(run).seconds)
        seconds = float(results["totals"]["seconds"])  # of all attempts, where it was interrupted
        _keep(run, folder)
    record["cost"] |= {"seconds": seconds, "peak_memory": _device_memory() or peak_memory()}
    return record


def to_dict(spec: RunSpec) -> dict[str, Any]:
    """The run as plain values."""
    return asdict(spec)


def _record(
    results: Mapping[str, Any], balance: str | dict[str, Any], tasks: int, seconds: Mapping[str, float]
) -> dict[str, Any]:
    totals = results["totals"]
    trivial = totals["trivial"]
    entries = {
        name: {key: entry[key] for key in RECORDED if key in entry} | {"trivial": trivial[name]}
        for name, entry in results["tasks"].items()
    }
    trained = sum(seconds[name] for name in totals["trainings"])
    forwards, backwards = passes(make_balancer(balance).needs, tasks)
    cost = {
        "steps": totals["steps"],
        "seconds_per_step": trained / totals["steps"] if totals["steps"] else None,
        "parameters": totals["parameters"],
        "networks": totals["networks"],
        "forwards": forwards,
        "backwards": backwards,
    }
    return {"tasks": entries, "cost": cost}


def _keep(run: Path, folder: Path) -> None:
    for name in KEPT:
        if (run / name).exists():
            shutil.move(run / name, folder / name)
    shutil.rmtree(run, ignore_errors=True)


def _device_memory() -> int | None:
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())
