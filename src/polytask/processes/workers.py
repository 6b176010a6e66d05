"""Work in processes of this machine: one that is killed or runs out of memory takes no other with it."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from multiprocessing import connection, get_all_start_methods, get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch

from ..errors import UserError
from ..files import read_json, write_json
from .open_files import reserve_files

#: A record, or None and what went wrong.
Result = tuple[dict[str, Any] | None, str | None]
#: Does what a description states, with files in a separate folder, and gives a record that JSON can hold.
Function = Callable[[dict[str, Any], Path], dict[str, Any]]
LOG = "log.txt"
#: Time that a process has to write what it needs to continue later.
GRACE = 10.0


class LocalProcesses:
    """Every call of a function in a separate process.

    Args:
        jobs: Most processes at once; they share the GPUs, if there are any, in turn.
        function: What is done; it is imported by its name there.
        libraries: What it needs besides and takes long to load: that is done once, in the process that all others are
            forked from.

    Raises:
        OSError: Too few files can be opened for this many processes.
    """

    def __init__(self, jobs: int, function: Function, libraries: Sequence[str] = ()) -> None:
        reserve_files(jobs)
        self._function = function
        self._threads = ThreadPoolExecutor(jobs)
        server = "forkserver" in get_all_start_methods()
        self._context: Any = get_context("forkserver" if server else "spawn")
        if server:
            self._context.set_forkserver_preload([function.__module__, "scipy.special", *libraries])
        self._running: set[Any] = set()
        self._futures: list[Future[Result]] = []
        self._gpus: SimpleQueue[int] = SimpleQueue()
        self._count = torch.cuda.device_count()
        for job in range(jobs):
            self._gpus.put(job % self._count if self._count else -1)

    def submit(self, spec: dict[str, Any], folder: Path) -> Future[Result]:
        """Begin one call; the future never raises."""
        future = self._threads.submit(self._run, spec, folder)
        self._futures.append(future)
        return future

    def _run(self, spec: dict[str, Any], folder: Path) -> Result:
        folder.mkdir(parents=True, exist_ok=True)
        answer = folder / "answer.json"
        answer.unlink(missing_ok=True)
        gpu = self._gpus.get()
        process = self._context.Process(target=_child, args=(self._function, spec, str(folder), gpu))
        self._running.add(process)
        try:
            process.start()
            process.join()
        except (OSError, EOFError) as error:  # the latter if the process that all are forked from is gone
            return None, f"the process cannot be started: {getattr(error, 'strerror', None) or error}"
        finally:
            self._running.discard(process)
            self._gpus.put(gpu)
        if not answer.exists():
            return None, f"the process ended with status {process.exitcode}; see {folder / LOG}"
        record, failure = read_json(answer)
        answer.unlink()
        return record, failure

    def close(self) -> None:
        """Stop what is running; it may write a checkpoint first."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for stop in ("terminate", "kill"):
            for process in list(self._running):
                with suppress(ValueError, AttributeError):  # it has not begun, or is gone
                    getattr(process, stop)()
            wait(self._futures, GRACE)
        self._threads.shutdown()


def attempt(function: Function, spec: dict[str, Any], folder: Path) -> Result:
    """A record, or the last line of what went wrong; all of it is in the log."""
    try:
        return function(spec, folder), None
    except Exception as error:
        failure = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        with (folder / LOG).open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        return None, " ".join(failure.split())


def _child(function: Function, spec: dict[str, Any], folder: str, gpu: int) -> None:
    """The life of a process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu >= 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    with (Path(folder) / LOG).open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), sys.stdout.fileno() if _is_file(sys.stdout) else 1)
        os.dup2(log.fileno(), sys.stderr.fileno() if _is_file(sys.stderr) else 2)
    write_json(Path(folder) / "answer.json", attempt(function, spec, Path(folder)))


def _is_file(stream: Any) -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return stream.fileno() >= 0
    return False


def _end_with_parent() -> None:
    """A process whose parent was killed does not continue: the next may be at work in its folder."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def default_jobs() -> int:
    """One process per GPU, or else per core that this process may use."""
    own = getattr(os, "sched_getaffinity", None)  # Linux only
    return torch.cuda.device_count() or (len(own(0)) if own else os.cpu_count() or 1)
