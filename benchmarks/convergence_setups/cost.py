"""What joint convergence costs beside equal weights, for the same number of steps and evaluations."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import polytask as pt

from .methods import EMA, FOREVER
from .setup import Data, Setup

#: What `polytask fit` does, and the setting of an earlier version under which every task of Tox21 converges.
VARIANTS = {
    "joint, as polytask fit": (EMA, {}),
    "joint, patience 5, no average": (None, {"patience": 5}),
    "joint, one teacher": (EMA, {"teachers": 1}),
}


def cost(setup: Setup, data: Data, rounds: int, files: bool) -> str:
    """Median ratios over interleaved rounds, as Markdown; both trainings make all steps.

    Args:
        setup: Its steps and evaluations are those of all trainings.
        data: Of seed 0.
        rounds: Pairs of trainings per line.
        files: Train in a folder, as ``polytask fit`` does.
    """
    lines = [
        "| training | CPU time / equal weights | wall time / equal weights | tasks switched |",
        "|---|---:|---:|---:|",
    ]
    for name, (ema, options) in VARIANTS.items():
        pairs, switched = [], 0
        for _ in range(rounds):
            plain, _ = _train(setup, data, ema, [], files)
            joint, switched = _train(setup, data, ema, [pt.AsynchronousConvergence(tail=FOREVER, **options)], files)
            pairs.append([after / before for before, after in zip(plain, joint, strict=True)])
        cpu, wall = (statistics.median(ratios) for ratios in zip(*pairs, strict=True))
        spread = f"{min(ratio for ratio, _ in pairs):.2f} to {max(ratio for ratio, _ in pairs):.2f}"
        lines.append(f"| {name} | {cpu:.2f} ({spread}) | {wall:.2f} | {switched}/{len(data.tasks)} |")
    return "\n".join(lines)


def _train(
    setup: Setup, data: Data, ema: float | None, callbacks: list[pt.Callback], files: bool
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
