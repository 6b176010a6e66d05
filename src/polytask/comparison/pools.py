"""Where runs are done: in this process, in processes of this machine, or on a Ray cluster. The results are the same."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import connection, get_all_start_methods, get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import torch

from ..errors import UserError
from ..files import read_json, write_json
from .execute import execute

#: A record, or None and what went wrong.
Result = tuple[dict[str, Any] | None, str | None]
LOG = "log.txt"
#: Imported once, in the process that all runs are forked from; each takes seconds.
PRELOADED = [execute.__module__, "lightning_fabric", "torchmetrics.functional", "sklearn.ensemble", "scipy.stats"]


class Pool(Protocol):
    """What does runs."""

    def submit(self, spec: dict[str, Any], folder: Path) -> Future[Result]:
        """Begin a run; the future never raises."""

    def close(self) -> None:
        """Stop what is running."""


class InProcess:
    """One run after the other, here."""

    def submit(self, spec: dict[str, Any], folder: Path) -> Future[Result]:
        future: Future[Result] = Future()
        folder.mkdir(parents=True, exist_ok=True)
        future.set_result(attempt(execute, spec, folder))
        return future

    def close(self) -> None:
        pass


class Processes:
    """Every run in a process of its own: one that is killed or runs out of memory takes no other with it.

    Args:
        jobs: Most processes at once; they share the GPUs, if there are any, in turn.
    """

    def __init__(self, jobs: int) -> None:
        self._threads = ThreadPoolExecutor(jobs)
        server = "forkserver" in get_all_start_methods()
        self._context: Any = get_context("forkserver" if server else "spawn")
        if server:
            self._context.set_forkserver_preload(PRELOADED)
        self._running: set[Any] = set()
        self._gpus: SimpleQueue[int] = SimpleQueue()
        self._count = torch.cuda.device_count()
        for job in range(jobs):
            self._gpus.put(job % self._count if self._count else -1)

    def submit(self, spec: dict[str, Any], folder: Path) -> Future[Result]:
        return self._threads.submit(self._run, spec, folder)

    def _run(self, spec: dict[str, Any], folder: Path) -> Result:
        folder.mkdir(parents=True, exist_ok=True)
        answer = folder / "answer.json"
        answer.unlink(missing_ok=True)
        gpu = self._gpus.get()
        process = self._context.Process(target=_child, args=(spec, str(folder), gpu))
        self._running.add(process)
        try:
            process.start()
            process.join()
        finally:
            self._running.discard(process)
            self._gpus.put(gpu)
        if not answer.exists():
            return None, f"the process ended with status {process.exitcode}; see {folder / LOG}"
        record, failure = read_json(answer)
        answer.unlink()
        return record, failure

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in list(self._running):
            process.kill()
        self._threads.shutdown()


class RayCluster:
    """Runs on a Ray cluster; the data must be at the same path on every node.

    Attributes:
        cores: Of all nodes together.

    Args:
        address: Of a running cluster, or ``local`` to start one here.

    Raises:
        UserError: If Ray is not installed, or there is no cluster.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError:
            raise UserError("--ray: needs Ray; pip install 'polytask[ray]'") from None
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            try:
                ray.init(address=address, log_to_driver=False, configure_logging=False)
            except (ConnectionError, ValueError) as error:
                raise UserError(f"--ray {address}: no cluster there ({error}); start one with `ray start --head`, "
                                "or say local") from None  # fmt: skip
        self.cores = int(ray.cluster_resources().get("CPU", 1))
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        self._remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=2)(_on_a_node)

    def submit(self, spec: dict[str, Any], folder: Path) -> Future[Result]:
        outer: Future[Result] = Future()
        inner = self._remote.remote(spec).future()
        inner.add_done_callback(lambda done: outer.set_result(_arrived(done, folder)))
        return outer

    def close(self) -> None:
        if self._started:
            self._ray.shutdown()


def attempt(function: Callable[..., dict[str, Any]], spec: dict[str, Any], folder: Path) -> Result:
    """A run's record, or the last line of what went wrong; all of it is in the run's log."""
    try:
        return function(spec, folder), None
    except Exception as error:
        failure = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        with (folder / LOG).open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        return None, " ".join(failure.split())


def _child(spec: dict[str, Any], folder: str, gpu: int) -> None:
    """The life of a run's own process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if gpu >= 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    with (Path(folder) / LOG).open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), sys.stdout.fileno() if _is_file(sys.stdout) else 1)
        os.dup2(log.fileno(), sys.stderr.fileno() if _is_file(sys.stderr) else 2)
    write_json(Path(folder) / "answer.json", attempt(execute, spec, Path(folder)))


def _is_file(stream: Any) -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return stream.fileno() >= 0
    return False


def _end_with_parent() -> None:
    """A run whose comparison was killed does not go on: the next comparison may be at work in its folder."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _on_a_node(spec: dict[str, Any]) -> tuple[Result, dict[str, bytes]]:
    """The life of a run on a node, which need not see our disk: its files travel with the record."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result = attempt(execute, spec, folder)
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return result, files


def _arrived(done: Future, folder: Path) -> Result:
    error = done.exception()
    if error is not None:
        return None, " ".join(f"{type(error).__name__}: {error}".split())
    result, files = done.result()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    found: Result = result
    return found


def default_jobs() -> int:
    """One process per GPU, or else per core."""
    return torch.cuda.device_count() or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
