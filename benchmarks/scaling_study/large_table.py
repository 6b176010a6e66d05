"""A large table: how fast and in how much memory it is trained on while it stays in its file."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

import polytask as pt
from polytask.config import make_config
from polytask.runs.encoders import network_of
from polytask.runs.preparation.prepare import prepare
from polytask.training import Training

NUMBERS, COLOURS, TARGETS = 44, 12, ("y0", "y1", "y2", "y3")
PIECE, GROUP = 2**18, 2**16


def write_large_table(path: Path, rows: int) -> None:
    """44 numbers, a category, a row id and four targets (one with missing labels), in bounded memory."""
    draw = np.random.default_rng(0)
    weights = draw.normal(size=(NUMBERS, len(TARGETS))).astype(np.float32)
    writer = None
    for start in range(0, rows, PIECE):
        n = min(PIECE, rows - start)
        x = draw.standard_normal((NUMBERS, n), dtype=np.float32)
        colour = draw.integers(0, COLOURS, n)
        y = weights.T @ x + 0.5 * (colour == np.arange(4)[:, None]) + 3 * draw.standard_normal((4, n), dtype=np.float32)
        y = y.astype(np.float32)
        table = pa.table({
            **{f"x{j}": x[j] for j in range(NUMBERS)},
            "colour": pa.array([f"c{j}" for j in range(COLOURS)]).take(pa.array(colour)),
            "y0": y[0],
            "y1": (y[1] > 0).astype(np.int8),
            "y2": (y[2] > 4).astype(np.int8),
            "y3": pa.array(y[3], mask=draw.random(n) < 0.3),
            "key": np.arange(start, start + n),
        })  # fmt: skip
        writer = writer or pa.parquet.ParquetWriter(path, table.schema, use_dictionary=["colour"])
        writer.write_table(table, row_group_size=GROUP)
    if writer is not None:
        writer.close()


def _training(path: Path, stream: bool, batch_size: int) -> Training:
    config = make_config({"data": str(path), "targets": list(TARGETS), "ignore": ["key"], "stream": stream})
    data = prepare(config)
    settings = pt.TrainingSettings(steps=10**9, batch_size=batch_size, threads=1, ema=0.98)
    model = network_of(config, data.schema, list(data.tasks), plain=True)
    return Training(
        model, data.rows["train"], data.rows["validation"],
        balancer=pt.balancing.Equal(), callbacks=[], settings=settings, seed=0,
    )  # fmt: skip


def rows_per_second(path: Path, held: Path, rounds: int, batch_size: int = 1024, steps: int = 256) -> str:
    """Rows per second of training from the file relative to training from memory, in turns in one process.

    Wall time, as reading ahead is work of another thread; also CPU time of the whole process, where it is not free.
    """
    trainings = [_training(held, False, batch_size), _training(path, True, batch_size)]
    wall: list[list[float]] = [[], []]
    cpu: list[list[float]] = [[], []]
    for _ in range(rounds + 1):
        for number, training in enumerate(trainings):
            began = time.perf_counter(), time.process_time()
            for _ in range(steps):
                training.advance()
            wall[number].append(time.perf_counter() - began[0])
            cpu[number].append(time.process_time() - began[1])
    seconds = [[statistics.median(times[1:]) for times in clock] for clock in (wall, cpu)]
    speed = [steps * batch_size / value for value in seconds[0]]
    return (
        f"rows per second: in memory {speed[0]:,.0f}, read while training {speed[1]:,.0f}: {speed[1] / speed[0]:.2f} "
        f"by wall time, {seconds[1][0] / seconds[1][1]:.2f} by CPU time"
    )


def resident_memory(path: Path, steps: int, batch_size: int = 1024) -> str:
    """Peak resident memory of a whole `polytask fit` on the table."""
    options = ["--targets", ",".join(TARGETS), "--ignore", "key", "--networks", "1", "--no-baselines", "--quiet"]
    keys = [f"steps={steps}", f"batch_size={batch_size}", "threads=1", "stream=true"]
    settings = [part for key in keys for part in ("--set", key)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = [sys.executable, "-m", "polytask", "fit", path, *options, *settings, "--out", Path(folder) / "run"]
        subprocess.run(command, check=True)
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows = pa.parquet.read_metadata(path).num_rows
    return (
        f"{rows:,} rows, {path.stat().st_size / 1e9:.1f} GB file: whole fit of {steps:,} steps of {batch_size} in "
        f"{time.monotonic() - began:.0f} s, peak resident memory {megabytes:,.0f} MiB"
    )
