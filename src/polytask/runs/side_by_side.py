"""Trainings that do not depend on one another, in processes side by side.

The processes train ahead: they leave results, and the events of each training, in its folder. The run itself then goes
through its trainings in their order, finds them done and takes over their events. So what a run is does not depend on
the number of processes; what they could not do is done by the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from ..config import make_config
from ..display.display import Display
from ..processes.workers import LocalProcesses, Result
from ..records.folder import RunFolder
from ..training.loop import Progress
from .limit import Limit
from .preparation.prepare import prepare
from .trainer import Trainer
from .trainings import Network, Work, train_joint, train_network, train_single, train_subset

#: Seconds between two looks at how far the trainings are.
LOOKS = 0.5


def train_ahead(trainer: Trainer, works: Sequence[Work], *, joint: bool = False, singles: Sequence[int] = ()) -> None:
    """Do trainings in ``jobs`` processes; nothing with one job, or one training left to do.

    Args:
        trainer: The run.
        works: The trainings, none of which depends on another one of them.
        joint: The training for all tasks is done, and they may need it.
        singles: The single-task models of these tasks are done, and they may need them.
    """
    folder = trainer.run
    left = [work for work in works if not folder.finished(work.training) and not folder.begun_here(work.training)]
    jobs = min(trainer.config.jobs, len(left))
    if jobs < 2:
        return
    spec = {
        "config": trainer.config.model_dump(mode="json"),
        "place": str(Path.cwd()),
        "run": str(folder.path),
        "works": [asdict(work) for work in left],
        "joint": joint,
        "singles": list(singles),
        "limit": None if trainer.limit is None else asdict(trainer.limit),
    }
    pool = LocalProcesses(jobs, lane)
    try:
        title = f"{len(left)} networks in {jobs} processes"
        with trainer.display.training(title, counts=False) as progress:
            places = [(folder.trainings / "processes" / str(number)).absolute() for number in range(jobs)]
            _watch([pool.submit(spec, place) for place in places], trainer, left, progress)
    finally:
        pool.close()


def _watch(futures: list[Future[Result]], trainer: Trainer, works: Sequence[Work], progress: Progress | None) -> None:
    """Show how far the trainings are until the processes end."""
    total = len(works) * (trainer.settings.steps or 0)
    while wait(futures, LOOKS).not_done:
        if progress is not None:
            done = sum(_steps(trainer.run.events(work.training)) for work in works)
            progress(min(done, total), total)  # one in which a target still improves takes more than its steps
    for future in futures:
        failure = future.result()[1]
        if failure is not None:
            trainer.display.warn(f"a training process ended early ({failure}); this process does the rest")


def _steps(events: Path) -> int:
    """Steps of a training so far."""
    lines = events.read_bytes().splitlines(keepends=True) if events.exists() else []
    whole = [line for line in lines[-2:] if line.endswith(b"\n")]
    return int(json.loads(whole[-1])["step"]) if whole else 0


def lane(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One of the processes: does the trainings that no other one is at, in one thread."""
    torch.set_num_threads(1)
    os.chdir(spec["place"])  # paths and modules of the user's are found from there
    config = make_config(spec["config"])
    run = RunFolder.open(Path(spec["run"]))
    data = prepare(config, run.split)
    settings = config.training().resolve(len(data.rows["train"]))
    limit = None if spec["limit"] is None else Limit(spec["limit"]["until"], tuple(spec["limit"]["longest"]))
    trainer = Trainer(config, data, run, Display(), settings, aside=True, limit=limit)
    joint = train_joint(trainer) if spec["joint"] else None
    singles = {position: train_single(trainer, position) for position in spec["singles"]}

    def train(work: Work) -> None:
        if work.kind == "all_in_one":
            train_joint(trainer)
        elif work.kind == "single_task":
            train_single(trainer, *work.positions)
        elif work.kind == "subset":
            train_subset(trainer, work)
        else:
            train_network(trainer, Network(work.training, work.positions, ()), joint, singles)

    for described in spec["works"]:
        work = Work(described["training"], tuple(described["positions"]))
        place = run.trainings / work.training
        place.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(place / ".lock", timeout=0):
                if not run.finished(work.training):
                    train(work)
        except Timeout:
            continue
    return {}
