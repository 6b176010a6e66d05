"""Processes of their own for tests, forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Any

from torch.multiprocessing import start_processes

#: With what they load most runs load no more, which would take longer than most runs.
PRELOADED = (
    "drawn_runs", "process_matrix", "two_processes", "balancing.processes", "polytask.cli.app", "polytask.runs.fresh",
    "polytask.runs.pipeline", "polytask.runs.adding.add", "polytask.runs.side_by_side", "polytask.reporting",
    "polytask.diagnosis", "polytask.comparison.significance", "lightning_fabric", "pandas", "sklearn.linear_model",
    "sklearn.ensemble", "scipy.stats", "torchmetrics.functional", "torch.fx.experimental.symbolic_shapes", "narwhals",
    "tabm", "rtdl_num_embeddings", "torchjd.aggregation", "torchjd.autojac", "torch.distributed.fsdp", "cvxpy",
)  # fmt: skip
#: What the servers that were started here have imported, by their ids.
_started: dict[int | None, set[str]] = {}


def fork_server(*further: str) -> ForkServerContext:
    """Where processes are forked from one that has imported :data:`PRELOADED` and some further modules.

    Python keeps one such server, which the first who needs it starts with his modules, and that may be the library: its
    server is left to end, and another started.
    """
    server = forkserver._forkserver
    if not _started.get(server._forkserver_pid, set()).issuperset((*PRELOADED, *further)):
        alive = server._forkserver_alive_fd
        forkserver.ForkServer.__init__(server)  # forgets it
        if alive is not None:
            os.close(alive)  # it ends with the last of its processes
        modules = [*PRELOADED, *further]
        multiprocessing.set_forkserver_preload([*modules, "frozen"])
        forkserver.ensure_running()
        _started[server._forkserver_pid] = set(modules)
    return multiprocessing.get_context("forkserver")


def run_in_processes(function: Callable[..., None], arguments: tuple[Any, ...], number: int, seconds: float) -> None:
    """``function(process, *arguments)`` in several processes at once; fail if they have not ended after ``seconds``."""
    fork_server()
    context = start_processes(function, arguments, nprocs=number, join=False, start_method="forkserver")
    assert context is not None
    give_up = time.monotonic() + seconds
    try:
        while not context.join(timeout=1):
            assert time.monotonic() < give_up, "the processes wait for each other"
    finally:
        for process in context.processes:
            process.kill()
