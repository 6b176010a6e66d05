"""What a student's step costs beside one of plain training."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from polytask.training import train_teachers
from polytask.training.loop import Training

from .methods import METHODS, SINGLE
from .runs import Runs, load, settings_of
from .setups import SETUPS

#: Students whose steps are compared: a method, and the options with which all its blocks are distilled from the start.
COSTS: dict[str, dict[str, Any]] = {
    "equal": {},
    "mtlkd": {},
    "mtlkd of 8 components": {"components": 8},
    "scd": {"warmup_epochs": 0, "blocks": 1},
    "scd with features in every step": {"warmup_epochs": 0, "blocks": 1, "every": 1},
    "okd": {"warmup_epochs": 0},
}


def cost(setup: str, runs: Runs, rounds: int) -> str:
    """Processor time of a student's step relative to plain training, measured in turns in one process."""
    setting = METHODS[SINGLE].grid(SETUPS[setup].learning_rates, SETUPS[setup].dropouts)[0]
    everything = load(setup, *runs.folders, 0)
    folder = runs.out.parent / "teachers" / setup / f"{setting[0]:g}-{setting[1]:g}-0"
    started = time.process_time()
    teachers = train_teachers(
        lambda task: everything.network((task,), 0, setting[1]), everything.tasks, train=everything.rows["train"],
        validation=everything.rows["validation"], settings=settings_of(setup, setting), seed=0, folder=folder,
    )  # fmt: skip
    teaching = time.process_time() - started
    trainings = {}
    for name, options in COSTS.items():
        method = METHODS[name.split()[0]]
        callbacks = [] if method.distil is None else [method.distil(*[teachers] * method.taught, **options)]
        trainings[name] = Training(
            everything.network(everything.tasks, 0, setting[1]), everything.rows["train"],
            everything.rows["validation"], balancer=method.make_balancer(0), callbacks=callbacks,
            settings=settings_of(setup, setting), seed=0,
        )  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in trainings}
    for turn in range(rounds + 1):
        for name, training in trainings.items():
            started = time.process_time()
            for _ in range(30):
                training.advance()
            if turn:  # the first turn warms up
                seconds[name].append(time.process_time() - started)
    lines = [f"{setup}: {len(everything.tasks)} teachers {teaching:.1f} s of processor time (0 if they were kept)"]
    for name, measured in seconds.items():
        ratio = median(m / p for m, p in zip(measured, seconds["equal"], strict=True))
        lines.append(f"{name}: {1e3 * median(measured) / 30:.3f} ms a step, {ratio:.2f} of plain")
    return "\n".join(lines)
