"""Processes of their own for tests."""

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

from torch.multiprocessing import start_processes


def run_in_processes(function: Callable[..., None], arguments: tuple[Any, ...], number: int, seconds: float) -> None:
    """``function(process, *arguments)`` in several processes at once; fail if they have not ended after ``seconds``.

    They are forked from one that has imported the function's module, which takes longer than most functions.
    """
    multiprocessing.set_forkserver_preload([function.__module__])
    context = start_processes(function, arguments, nprocs=number, join=False, start_method="forkserver")
    assert context is not None
    give_up = time.monotonic() + seconds
    try:
        while not context.join(timeout=1):
            assert time.monotonic() < give_up, "the processes wait for each other"
    finally:
        for process in context.processes:
            process.kill()
