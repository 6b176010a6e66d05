"""Peak resident memory of steps: all at once, in parts of a batch, and with shares of the encoder."""

from __future__ import annotations

import ctypes
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

import polytask as pt
from polytask.training import Training

from .process_cost import TASKS, make, specs

WIDTHS, BATCH, STEPS = (256, *[512] * 5), 4096, 2
#: Processes and settings.
WAYS: dict[str, tuple[int, dict[str, Any]]] = {
    "one process": (1, {}),
    "accumulate 4": (1, {"accumulate": 4}),
    "two processes": (2, {}),
    "two, fsdp": (2, {"strategy": "fsdp"}),
}
#: Number of glibc's ``M_MMAP_THRESHOLD`` in ``malloc.h``, and bytes.
MMAP_THRESHOLD, LARGE = -3, 2**16


def _status(key: str) -> float:
    """Bytes, in millions, of a line of the process's status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(key))


def _steps(spec: str, way: str, widths: Sequence[int], batch: int) -> None:
    """A training of a few steps."""
    generator = torch.Generator().manual_seed(0)
    data = pt.Rows(torch.randn(batch, widths[0], generator=generator), torch.zeros(batch, TASKS), None)
    layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    model = pt.MultiTaskModel(nn.Sequential(*layers), [pt.Task(f"t{i}") for i in range(TASKS)])
    usual = {"steps": 10**9, "batch_size": batch, "evaluate_every": 10**9, "device": "cpu", "threads": 1}
    settings = pt.TrainingSettings(**usual | WAYS[way][1])
    name, _, source = spec.partition("@")
    training = Training(model, data, data, balancer=make(name, source), callbacks=[], settings=settings, seed=0)
    for _ in range(STEPS):
        training.advance()


def _measure(number: int, folder: str, processes: int, spec: str, way: str) -> None:
    """In one of the processes; the first notes the most memory that it has had beyond that of a tiny training."""
    torch.set_num_threads(1)
    ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)  # tensors that are let go leave the process at once
    if processes > 1:
        meeting = f"file://{folder}/meeting"
        distributed.init_process_group("gloo", init_method=meeting, rank=number, world_size=processes)
    found = None
    try:
        _steps(spec, way, (8, 8), 8)  # imports all that is needed
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
        before = _status("VmRSS")
        _steps(spec, way, WIDTHS, BATCH)
        found = _status("VmHWM") - before
    except pt.UserError:
        pass
    if number == 0:
        (Path(folder) / "found.json").write_text(json.dumps(found))
    if processes > 1:
        distributed.destroy_process_group()


def peak(spec: str, way: str) -> float | None:
    """The most megabytes that the first of the processes has had, of processes of their own; None if refused.

    They are forked from this one, which has imported everything and computed nothing.
    """
    processes = WAYS[way][0]
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(
            _measure, (folder, processes, spec, way), nprocs=processes, start_method="fork"
        )
        return json.loads((Path(folder) / "found.json").read_text())


def step_memory(words: Sequence[str]) -> Iterator[str]:
    """Markdown, line by line: a row per method, a column per way; a dash where the method refuses."""
    parameters = sum(a * b + b for a, b in itertools.pairwise(WIDTHS))
    yield (
        f"MB of two steps; {parameters * 4 / 1e6:.1f} MB of shared parameters, {BATCH:,} rows in all, "
        f"{BATCH * sum(WIDTHS[1:]) * 4 / 1e6:.1f} MB of activations, {TASKS} tasks\n"
    )
    yield f"| method | {' | '.join(WAYS)} |"
    yield "|---" + "|---:" * len(WAYS) + "|"
    for spec in specs(words):
        found = [peak(spec, way) for way in WAYS]
        yield f"| {spec} | {' | '.join('-' if value is None else f'{value:.0f}' for value in found)} |"
