"""What a step costs with affinity switched on, relative to the same training without."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import polytask as pt
from polytask.training import Training

sys.path.insert(0, str(Path(__file__).parents[1]))
from step_cost import CASES, Case, random_rows


def loop(case: Case, rows: pt.Rows, probe: dict[str, Any] | None) -> Callable[[], None]:
    """One step of our loop with equal weights."""
    torch.manual_seed(0)
    training = Training(
        pt.MultiTaskModel(case.encoder(), case.tasks, features=case.width), rows, rows,
        balancer=pt.balancing.Equal(), callbacks=[] if probe is None else [pt.AffinityProbe(**probe)],
        settings=pt.TrainingSettings(steps=10**9, batch_size=case.batch, evaluate_every=10**9), seed=0,
    )  # fmt: skip
    return training.advance


def measure(name: str, probe: dict[str, Any], rounds: int, block: int) -> tuple[float, float, float]:
    """Median milliseconds of CPU time per step without and with the probe, and the median of the rounds' ratios.

    The two loops take turns, ``block`` steps at a time; a block should hold a whole number of probes.
    """
    case = CASES[name]
    rows = random_rows(case, 0)
    loops = [loop(case, rows, None), loop(case, rows, probe)]
    times: list[list[float]] = [[], []]
    for number in range(rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.process_time()
            for _ in range(block):
                loops[which]()
            if number:
                times[which].append((time.process_time() - started) / block)
    ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
    return 1000 * statistics.median(times[0]), 1000 * statistics.median(times[1]), ratio
