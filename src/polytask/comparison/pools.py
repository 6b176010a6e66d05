"""Where runs are done: in this process, in processes of this machine, or on a Ray cluster. The results are the same."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from ..errors import UserError
from ..extras import require
from ..processes.workers import LocalProcesses, Result, attempt
from .execute import execute


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


class ProcessPool(LocalProcesses):
    """Every run in a separate process.

    Args:
        jobs: Most processes at once; they share the GPUs, if there are any, in turn.
    """

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs, execute, libraries=["sklearn.ensemble"])


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
        require("ray", "ray", needed_by="--ray")
        import ray

        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            try:
                ray.init(address=address, log_to_driver=False, configure_logging=False)
            except (ConnectionError, ValueError) as error:
                raise UserError(f"--ray {address}: no cluster there ({error}); start one with `ray start --head`, "
                                "or use local") from None  # fmt: skip
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
