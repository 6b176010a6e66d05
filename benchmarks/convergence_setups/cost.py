"""What joint convergence costs beside equal weights, for the same number of steps and evaluations."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polytask as pt
from polytask.training.evaluation import Evaluation
from polytask.training.loop import Training

from .methods import EMA, FOREVER
from .setup import Data, Setup

#: What `polytask fit` does, and the setting of an earlier version under which every task of Tox21 converges.
VARIANTS = {
    "joint, as polytask fit": (EMA, {}),
    "joint, three teachers": (EMA, {"teachers": 3}),
    "joint, patience 5, no average": (None, {"patience": 5}),
}


class Timed(pt.AsynchronousConvergence):
    """Counts the CPU seconds that tests and switches take."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = 0.0

    def after_evaluation(self, training: Training, evaluation: Evaluation) -> None:
        started = time.process_time()
        super().after_evaluation(training, evaluation)
        self.seconds += time.process_time() - started


def cost(setup: Setup, data: Data, rounds: int, files: bool) -> str:
    """Ratios of medians (and of the least) over rounds, as Markdown, and the time of tests and switches alone.

    All trainings make all steps; a round is one of each, so that other work on the machine hits all of them.

    Args:
        setup: Its steps and evaluations are those of all trainings.
        data: Of seed 0.
        rounds: Trainings of each kind.
        files: Train in a folder, as ``polytask fit`` does.
    """
    lines = [
        "| training | CPU time / equal weights | of the least | wall time / equal weights "
        "| tests and switches alone | tasks switched |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    kinds = [(ema, None) for ema in (EMA, None)] + list(VARIANTS.values())
    seconds: list[list[tuple[float, float]]] = [[] for _ in kinds]
    switched = [0] * len(kinds)
    own: list[list[float]] = [[] for _ in kinds]
    for _ in range(rounds):
        for number, (ema, options) in enumerate(kinds):
            callbacks = [] if options is None else [Timed(tail=FOREVER, **options)]
            spent, switched[number] = _train(setup, data, ema, callbacks, files)
            seconds[number].append(spent)
            own[number] += [callback.seconds for callback in callbacks]
    plain = dict(zip((EMA, None), seconds, strict=False))
    for number, (name, (ema, _)) in enumerate(VARIANTS.items(), 2):
        (cpu, wall), (base, base_wall) = (zip(*times, strict=True) for times in (seconds[number], plain[ema]))
        ratio = statistics.median(cpu) / statistics.median(base)
        of_wall = statistics.median(wall) / statistics.median(base_wall)
        lines.append(
            f"| {name} | {ratio:.2f} | {min(cpu) / min(base):.2f} | {of_wall:.2f} "
            f"| {statistics.median(own[number]) / statistics.median(base):.3f} | {switched[number]}/{len(data.tasks)} |"
        )
    return "\n".join(lines)


def _train(
    setup: Setup, data: Data, ema: float | None, callbacks: Sequence[pt.Callback], files: bool
) -> tuple[tuple[float, float], int]:
    """CPU and wall seconds, and how many tasks have converged."""
    settings = pt.TrainingSettings(
        steps=setup.steps, batch_size=setup.batch_size, evaluate_every=setup.evaluate_every, patience=FOREVER,
        threads=1, ema=ema, **setup.extra,
    )  # fmt: skip
    network = data.network(data.tasks, 0, setup.dropouts[0])
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time(), time.perf_counter()
        result = pt.fit(
            network, train=data.rows["train"], validation=data.rows["validation"], callbacks=callbacks,
            settings=settings, folder=Path(folder) if files else None,
        )  # fmt: skip
        ended = time.process_time(), time.perf_counter()
    seconds = ended[0] - started[0], ended[1] - started[1]
    return seconds, sum(task.converged_epoch is not None for task in result.tasks.values())
