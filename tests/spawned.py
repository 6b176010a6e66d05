"""Processes of their own for tests."""

import time
from collections.abc import Callable
from typing import Any

from torch import multiprocessing


def run_in_processes(function: Callable[..., None], arguments: tuple[Any, ...], number: int, seconds: float) -> None:
    """``function(process, *arguments)`` in several processes at once; fail if they have not ended after ``seconds``."""
    context = multiprocessing.spawn(function, arguments, nprocs=number, join=False)
    assert context is not None
    give_up = time.monotonic() + seconds
    try:
        while not context.join(timeout=1):
            assert time.monotonic() < give_up, "the processes wait for each other"
    finally:
        for process in context.processes:
            process.kill()
